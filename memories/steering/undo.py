"""Taking back what one request did to memories, as long as nobody changed them since."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from django.utils import timezone

from ibex.errors import DomainError
from ibex.tenancy import tenant
from memories.errors import NothingToUndo
from memories.indexing.searchability import SILENCING, publish, withdraw
from memories.learning.recalls import reveal_turns
from memories.models import Memory, MemoryRelationship, MemoryVersion
from memories.writing.history import VERSIONED_TIMES, outline, record_change
from memories.writing.neighbours import lock_bulk
from memories.writing.standing import lock, refuse_duplicate
from orgs.audit import Actor

MARKS = ("pinned", "tags")
REVERSIBLE = {"status", *MARKS, *VERSIONED_TIMES}
"""What can be taken back. New words cannot: they were redacted, judged and embedded."""
REASON = "Undone."


@dataclass(frozen=True)
class Undone:
    """How many memories are as they were, and how many were changed since."""

    undone: int
    left: int


def undo_changes(*, org_id: UUID, request_id: str, actor: Actor, limit: int = 500) -> Undone:
    """Take back what `actor` did in the request `request_id`, each memory or none of it.

    Raises `NothingToUndo`. Whatever else happened to a memory since stays as it is.
    """
    with tenant(org_id):
        lock_bulk()
        groups = _versions_of(org_id, request_id, actor)
        done = [_take_back(versions, actor) for versions in groups[:limit]]
    if not any(done):
        raise NothingToUndo
    return Undone(undone=sum(done), left=len(groups) - sum(done))


def _versions_of(org_id: UUID, request_id: str, actor: Actor) -> list[list[MemoryVersion]]:
    """Return the request's versions memory by memory, agent by agent, what came last first."""
    if not request_id:
        return []
    rows = MemoryVersion.objects.filter(
        org=org_id, request_id=request_id, actor_type=actor.type, actor_id=actor.id
    ).select_related("memory__agent")
    latest: dict[UUID, datetime] = {}
    for row in rows:
        latest[row.memory_id] = max(latest.get(row.memory_id, row.created_at), row.created_at)
    ordered = sorted(
        rows,
        key=lambda row: (
            str(row.memory.agent_id),
            -latest[row.memory_id].timestamp(),
            str(row.memory_id),
            row.number,
        ),
    )
    return [list(versions) for _memory, versions in groupby(ordered, lambda row: row.memory_id)]


def _take_back(versions: Sequence[MemoryVersion], actor: Actor) -> bool:
    """Put one memory back to how it stood before these versions; False when that cannot be."""
    first, last = versions[0], versions[-1]
    try:
        with tenant(first.org_id):
            memory = lock(first.memory)
            history = MemoryVersion.objects.filter(memory=memory)
            before = history.filter(number=first.number - 1).first()
            if before is None or history.filter(number__gt=last.number).exists():
                return False
            changed = _changed(before, last)
            if changed is None:
                return False
            _restore(memory, changed, before, actor)
    except DomainError:
        return False
    return True


def _changed(before: MemoryVersion, after: MemoryVersion) -> dict[str, Any] | None:
    """Return the former values of what changed; None when something cannot be taken back."""
    old, new = before.fields, after.fields
    names = {
        name for name in new if name in old and name != "usefulness" and old[name] != new[name]
    }
    if before.content != after.content or not names or names - REVERSIBLE:
        return None
    return {name: _value(name, old[name]) for name in names}


def _restore(memory: Memory, values: dict[str, Any], before: MemoryVersion, actor: Actor) -> None:
    was = outline(memory)
    for name, value in values.items():
        setattr(memory, name, value)
    if memory.status == Memory.Status.ACTIVE:
        refuse_duplicate(memory, memory.content_hash)
        memory.embed_after = timezone.now() if memory.embedding is None else None
    else:
        memory.embed_after = None
    memory.updated_at = timezone.now()
    memory.save(update_fields=[*values, "embed_after", "updated_at"])
    record_change(
        memory,
        MemoryVersion.Operation.UPDATE,
        actor=actor,
        reason=REASON,
        before=was,
        action="undo",
    )
    if "status" in values:
        _settle(memory, before)


def _settle(memory: Memory, before: MemoryVersion) -> None:
    """Make what is found, and how it stands to others, true to its former status again."""
    edges = MemoryRelationship.objects.filter(created_at__gt=before.created_at)
    edges.filter(target=memory, type=MemoryRelationship.Type.SUPERSEDES).delete()
    if memory.status == Memory.Status.ACTIVE:
        publish(memory)
    else:
        withdraw(memory)
    if memory.status not in SILENCING:
        reveal_turns(memory)


def _value(name: str, value: Any) -> Any:
    return datetime.fromisoformat(value) if name in VERSIONED_TIMES and value else value
