"""Which proxies run which version of a directive, as they said themselves (ADR 0029)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from agents.models import Agent
from control.models import Acknowledgement, Event, Proxy
from directives.models import DirectiveVersion

Pushes = list[tuple[Event, int]]
"""Pushes that are still kept, each with the number of its version; newest first."""
State = Literal["acknowledged", "runs", "pending", "silent", "left"]

RECENT = 20
"""Versions among which the one that a proxy still runs is looked for."""


@dataclass(frozen=True)
class ProxyRow:
    """One proxy: whether it runs the version, since when, how long that took, what it runs else."""

    proxy_id: UUID
    name: str
    state: State
    since: datetime | None
    took_ms: float | None
    still_runs: int | None = None

    @property
    def is_connected(self) -> bool:
        """Whether it is heard of now; what a silent one runs nobody knows."""
        return self.state not in {"left", "silent"}

    @property
    def in_sync(self) -> bool:
        """Whether it is connected and runs the version."""
        return self.state in {"acknowledged", "runs"}


@dataclass(frozen=True)
class PushStatus:
    """Where one version has arrived. `revision` is None when its push is no longer kept."""

    version: DirectiveVersion
    is_active: bool
    pushed_at: datetime
    revision: int | None
    proxies: list[ProxyRow]

    @property
    def connected(self) -> list[ProxyRow]:
        """The proxies that count: those that are heard of."""
        return [row for row in self.proxies if row.is_connected]

    @property
    def silent(self) -> list[ProxyRow]:
        """Those that neither left nor are heard of; each may come back, or be gone."""
        return [row for row in self.proxies if row.state == "silent"]

    @property
    def in_sync(self) -> int:
        """How many of them run the version."""
        return sum(row.in_sync for row in self.connected)

    @property
    def behind(self) -> int:
        """How many of them have not acknowledged it; told again, they may."""
        return len(self.connected) - self.in_sync

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing to wait for."""
        return not self.is_active or (self.in_sync == len(self.connected) and not self.silent)


def push_status(agent: Agent, version: DirectiveVersion) -> PushStatus:
    """Say which proxies run `version`; inside the tenant. Four queries."""
    directive = version.directive
    pushes = _pushes(agent, version)
    event = next((event for event, number in pushes if number == version.number), None)
    said = {row.proxy_id: row for row in Acknowledgement.objects.filter(version=version)}
    is_active = directive.active_version_id == version.pk
    proxies = list(Proxy.objects.all())
    rows = [_row(proxy, event, said.get(proxy.pk), pushes) for proxy in proxies]
    known = {proxy.pk for proxy in proxies}
    gone = [_gone(row, event) for row in said.values() if row.proxy_id not in known]
    return PushStatus(
        version,
        is_active,
        event.at if event else version.created_at,
        event.rev if event else None,
        [row for row in [*rows, *gone] if row],
    )


def synced(versions: Collection[DirectiveVersion]) -> dict[UUID, tuple[int, int]]:
    """Count, for active versions, the connected proxies that run each, of all. Two queries."""
    revisions = dict(
        Event.objects.filter(version_id__in=[version.pk for version in versions])
        .order_by("rev")
        .values_list("version_id", "rev")
    )
    proxies = [proxy for proxy in Proxy.objects.filter(left_at=None) if not proxy.is_silent]
    return {
        version.pk: (
            sum(proxy.revision >= revisions.get(version.pk, 0) for proxy in proxies),
            len(proxies),
        )
        for version in versions
    }


def fingerprints(ids: Collection[UUID]) -> Mapping[UUID, Any]:
    """Read what a page of pushes shows, cheaply: `ibex.watching` compares it."""
    proxies = tuple(Proxy.objects.values_list("pk", "revision", "left_at").order_by("pk"))
    active = dict(
        DirectiveVersion.objects.filter(pk__in=ids).values_list("pk", "directive__active_version")
    )
    return {pk: (active[pk], proxies) for pk in ids if pk in active}


def _pushes(agent: Agent, version: DirectiveVersion) -> list[tuple[Event, int]]:
    """Return the kept pushes of the latest versions, and of this one; newest first, numbered."""
    latest = DirectiveVersion.objects.of_agent(agent).order_by("-number")
    numbers = dict(latest.values_list("pk", "number")[:RECENT]) | {version.pk: version.number}
    events = Event.objects.filter(org_id=agent.org_id, version_id__in=numbers).order_by("-rev")
    return [(event, numbers[event.version_id]) for event in events if event.version_id]


def _row(
    proxy: Proxy, event: Event | None, said: Acknowledgement | None, pushes: Pushes
) -> ProxyRow | None:
    """Say how a push stands with one proxy; None when it left before, and is no concern of it."""
    took = _took(event, said)
    if proxy.left_at is not None:
        concerned = said or (event and proxy.left_at >= event.at)
        return ProxyRow(proxy.pk, proxy.name, "left", proxy.left_at, took) if concerned else None
    if proxy.is_silent:
        return ProxyRow(proxy.pk, proxy.name, "silent", proxy.seen_at, None)
    if event is not None and proxy.revision < event.rev:
        still = next((number for push, number in pushes if push.rev <= proxy.revision), None)
        return ProxyRow(proxy.pk, proxy.name, "pending", event.at, None, still)
    if said is not None:
        return ProxyRow(proxy.pk, proxy.name, "acknowledged", said.at, took)
    return ProxyRow(proxy.pk, proxy.name, "runs", proxy.connected_at, None)


def _gone(said: Acknowledgement, event: Event | None) -> ProxyRow:
    """Show a proxy that left so long ago that nothing but its acknowledgement is kept."""
    return ProxyRow(said.proxy_id, said.proxy_name, "left", None, _took(event, said))


def _took(event: Event | None, said: Acknowledgement | None) -> float | None:
    if event is None or said is None or said.revision != event.rev:
        return None
    return (said.at - event.at).total_seconds() * 1000
