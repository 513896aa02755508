"""Audit events as the console shows them: what changed, and where its target is looked at."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from django.apps import apps
from django.urls import reverse

from ibex.keyset import Order
from orgs.models import AuditEvent

NEWEST_FIRST = Order(("at", "id"), descending=True)
PAGES = {
    "agents.agent": ("agent", "pk"),
    "memories.memory": ("memory", "pk"),
    "agent_sessions.session": ("session", "pk"),
    "directives.directive": ("agent-directive", "agent_id"),
    "jobs.job": ("job", "pk"),
}
"""Which page shows a kind of target, and the column of its address."""
MAX_SHOWN = 200


@dataclass(frozen=True)
class Change:
    """One thing that was one way before and is another now; None is absent."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class AuditRow:
    """One event, the address of its target while it exists, and what changed."""

    event: AuditEvent
    target_url: str | None
    target_name: str
    changes: list[Change]

    @property
    def subject(self) -> str | None:
        """The end user that it was about; erasure takes this away."""
        return (self.event.subject_details or {}).get("subject")


def audit_rows(events: Iterable[AuditEvent], *, longest: int | None = MAX_SHOWN) -> list[AuditRow]:
    """Show events; one query for each kind of target among them. Call inside the tenant.

    What a value has beyond `longest` characters is cut; None shows all of it.
    """
    events = list(events)
    urls = _addresses(events)
    return [
        AuditRow(
            event,
            urls.get((event.target_type, event.target_id)),
            event.target_type.rpartition(".")[2].replace("_", " "),
            changes(event.before, event.after, longest=longest),
        )
        for event in events
    ]


def changes(
    before: dict[str, Any] | None, after: dict[str, Any] | None, *, longest: int | None = MAX_SHOWN
) -> list[Change]:
    """Name what differs between two sides; what both say alike is left out."""
    old, new = before or {}, after or {}
    names = [*old, *(name for name in new if name not in old)]
    return [
        Change(name, _shown(old, name, longest), _shown(new, name, longest))
        for name in names
        if name not in old or name not in new or old[name] != new[name]
    ]


def _shown(side: dict[str, Any], name: str, longest: int | None) -> str | None:
    if name not in side:
        return None
    text = _words(side[name])
    return text if longest is None or len(text) <= longest else f"{text[:longest]}…"


def _words(value: Any) -> str:
    """Write a value as a person reads it."""
    if isinstance(value, str):
        return value
    if value is None or value == []:
        return "none"
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(value)
    return orjson.dumps(value).decode()


def _addresses(events: list[AuditEvent]) -> dict[tuple[str, UUID | None], str]:
    """Find the pages of the targets that still exist."""
    wanted: dict[str, set[UUID]] = defaultdict(set)
    for event in events:
        if event.target_type in PAGES and event.target_id is not None:
            wanted[event.target_type].add(event.target_id)
    found: dict[tuple[str, UUID | None], str] = {}
    for kind, ids in wanted.items():
        page, column = PAGES[kind]
        rows = apps.get_model(kind)._default_manager.filter(pk__in=ids)  # noqa: SLF001 - documented
        for pk, value in rows.values_list("pk", column):
            found[kind, pk] = reverse(page, args=[value])
    return found
