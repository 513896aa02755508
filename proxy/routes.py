"""What was read of callers, kept while the control channel says that it still holds (ADR 0028).

A route is kept only while the channel is live, and only when no change was heard while it was
being read. So an entry is never older than the last change that this proxy acknowledged.
"""

from collections import OrderedDict
from dataclasses import replace
from typing import Protocol
from uuid import UUID

from proxy.store import Route, RouteLookup

MAX_ROUTES = 20_000
MAX_SESSIONS = 50_000

Caller = tuple[bytes, UUID | None]
"""A token's digest and the agent that is named beside it."""
Named = tuple[UUID, str, str | None]
"""An agent, a session's external id, a subject."""


class Freshness(Protocol):
    """What the cache must know of the control channel."""

    @property
    def generation(self) -> int:
        """A number that rises with every change that is heard."""

    @property
    def is_live(self) -> bool:
        """Whether every change would have been heard by now."""


class RouteCache:
    """Callers by token and agent, and the ids of sessions that are known to exist."""

    def __init__(self, freshness: Freshness) -> None:
        self._freshness = freshness
        self._routes: OrderedDict[Caller, Route] = OrderedDict()
        self._sessions: OrderedDict[Named, UUID] = OrderedDict()

    def find(self, lookup: RouteLookup) -> Route | None:
        """Return the route when nothing needs to be read for it; None asks for a read."""
        digest, agent_id, external_id, subject, node = lookup
        if node is not None or not self._freshness.is_live:
            return None
        route = self._routes.get((digest, agent_id))
        if route is None or route.agent_id is None or external_id is None:
            return route
        session_id = self._sessions.get((route.agent_id, external_id, subject))
        return None if session_id is None else replace(route, session_id=session_id)

    def keep(self, lookup: RouteLookup, route: Route | None, generation: int) -> None:
        """Keep what was read, unless a change was heard since `generation`."""
        fresh = self._freshness
        if route is None or route.agent_id is None or not fresh.is_live:
            return
        if generation != fresh.generation:
            return
        digest, agent_id, external_id, subject, _node = lookup
        _put(self._routes, (digest, agent_id), _without_session(route), MAX_ROUTES)
        if external_id is not None and route.session_id is not None:
            _put(
                self._sessions,
                (route.agent_id, external_id, subject),
                route.session_id,
                MAX_SESSIONS,
            )

    def drop(self, target_id: UUID) -> None:
        """Forget every route that a changed token, agent or organization is part of."""
        for caller, route in list(self._routes.items()):
            if target_id in {route.token_id, route.agent_id, route.org_id}:
                del self._routes[caller]

    def clear(self) -> None:
        """Forget everything."""
        self._routes.clear()
        self._sessions.clear()

    def __len__(self) -> int:
        return len(self._routes)


def _without_session(route: Route) -> Route:
    return replace(
        route,
        session_id=None,
        session_turn_count=None,
        node_session_id=None,
        node_external_id=None,
        node_turn_index=None,
        node_taken_by=None,
        node_is_shared=None,
    )


def _put(kept: OrderedDict, key: object, value: object, limit: int) -> None:  # type: ignore[type-arg]
    kept[key] = value
    if len(kept) > limit:
        kept.popitem(last=False)
