"""One change to many memories under one request id, so that it can be undone together."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from ibex.errors import DomainError
from ibex.tenancy import tenant
from memories import services
from memories.models import Memory
from orgs.audit import Actor
from orgs.permissions import Permission

CHUNK = 100
"""Memories of one transaction: an agent's learning waits no longer than this takes."""


@dataclass(frozen=True)
class Action:
    """Something that can be done to many memories; `options` names what else it must be told."""

    service: Callable[..., Memory]
    needs: Permission
    verb: str
    done: str
    options: tuple[str, ...] = ()


ACTIONS: Mapping[str, Action] = {
    "archive": Action(services.archive_memory, Permission.MEMORY_WRITE, "Archive", "Archived"),
    "restore": Action(services.restore_memory, Permission.MEMORY_WRITE, "Restore", "Restored"),
    "delete": Action(services.delete_memory, Permission.MEMORY_DELETE, "Delete", "Deleted"),
    "tag": Action(services.tag_memory, Permission.MEMORY_WRITE, "Tag", "Tagged", ("add", "remove")),
}


@dataclass
class BulkResult:
    """How many memories were changed, were so already, or could not be, and why not."""

    changed: int = 0
    unchanged: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def left(self) -> int:
        """How many could not be changed."""
        return self.refused.total()

    def add(self, other: "BulkResult") -> None:
        """Count what another part of the same work did."""
        self.changed += other.changed
        self.unchanged += other.unchanged
        self.refused += other.refused


def change_memories(
    *,
    org_id: UUID,
    ids: Sequence[UUID],
    action: str,
    actor: Actor,
    reason: str = "",
    **options: Any,
) -> BulkResult:
    """Do one thing to each of these memories, 100 in a transaction; doing it twice does no harm.

    One that cannot be changed stays as it is and is counted with the reason. Ids that are not the
    organization's are counted as missing.
    """
    result = BulkResult()
    for begin in range(0, len(ids), CHUNK):
        result.add(
            _change(org_id, ids[begin : begin + CHUNK], ACTIONS[action], actor, reason, options)
        )
    return result


def _change(
    org_id: UUID,
    ids: Sequence[UUID],
    action: Action,
    actor: Actor,
    reason: str,
    options: Mapping[str, Any],
) -> BulkResult:
    """Change one chunk, agent by agent: everybody locks them in the same order."""
    result = BulkResult()
    with tenant(org_id):
        rows = Memory.objects.filter(org=org_id, pk__in=ids).defer("embedding", "terms")
        found = list(rows.order_by("agent_id", "pk"))
        if missing := len(set(ids)) - len(found):
            result.refused["It is not there any more."] += missing
        for memory in found:
            try:
                changed = action.service(memory=memory, actor=actor, reason=reason, **options)
            except DomainError as refusal:
                result.refused[refusal.message] += 1
                continue
            if changed.updated_at > memory.updated_at:
                result.changed += 1
            else:
                result.unchanged += 1
    return result
