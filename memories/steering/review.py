"""Deciding about what waits: quarantined memories, and those that contradict another.

A waiting memory changes no other until somebody decides. To undo a decision, undo its request.
"""

from collections.abc import Sequence
from datetime import datetime

from django.utils import timezone

from ibex.tenancy import tenant
from memories.errors import MemoryStatusRefused
from memories.models import Memory, MemoryQuerySet, MemoryRelationship, MemoryVersion
from memories.services import delete_memory
from memories.writing.drafts import check_interval
from memories.writing.history import outline, record_change
from memories.writing.standing import activate, lock, rivals
from orgs.audit import Actor

Operation = MemoryVersion.Operation
WAITING = (Memory.Status.PENDING_REVIEW, Memory.Status.QUARANTINED)


def waiting(memories: MemoryQuerySet) -> MemoryQuerySet:
    """Keep what waits for somebody to decide."""
    return memories.filter(status__in=WAITING)


def opposed(memory: Memory) -> MemoryQuerySet:
    """Return the active memories that a waiting one contradicts."""
    edges = MemoryRelationship.objects.filter(
        source=memory, type=MemoryRelationship.Type.CONTRADICTS
    )
    found = Memory.objects.filter(org=memory.org_id, pk__in=edges.values("target"))
    return found.filter(status=Memory.Status.ACTIVE)


def keep_memory(*, memory: Memory, actor: Actor, reason: str = "") -> Memory:
    """Use a waiting memory beside what is there; nothing else changes.

    Raises `MemoryStatusRefused`, `MemoryAlreadyKnown`.
    """
    with tenant(memory.org_id):
        locked = _lock_waiting(memory, "kept")
        return activate(locked, actor, reason, Operation.UPDATE, "keep", replacing=())


def replace_with_memory(*, memory: Memory, actor: Actor, reason: str = "") -> Memory:
    """Use a waiting memory instead of those it contradicts and of what has its subject key.

    Raises `MemoryStatusRefused`, `MemoryAlreadyKnown`.
    """
    with tenant(memory.org_id):
        locked = _lock_waiting(memory, "used")
        replaced = {row.pk: row for row in [*_lock_opposed(locked), *rivals(locked)]}
        return activate(
            locked, actor, reason, Operation.UPDATE, "replace", replacing=replaced.values()
        )


def keep_both(
    *, memory: Memory, actor: Actor, until: datetime, begins: datetime, reason: str = ""
) -> Memory:
    """Let the memories it contradicts hold until `until`, and the waiting one from `begins` on.

    Raises `InvalidMemory` for an end before the beginning, `MemoryStatusRefused`,
    `MemoryAlreadyKnown`.
    """
    with tenant(memory.org_id):
        locked = _lock_waiting(memory, "kept")
        check_interval(begins, locked.valid_until)
        _close(_lock_opposed(locked), until, actor, reason)
        locked.valid_from = begins
        locked.save(update_fields=["valid_from"])
        return activate(locked, actor, reason, Operation.UPDATE, "keep_both", replacing=())


def reject_memory(*, memory: Memory, actor: Actor, reason: str = "") -> Memory:
    """Delete a waiting memory; what it contradicts stays. Raises `MemoryStatusRefused`."""
    with tenant(memory.org_id):
        _lock_waiting(memory, "rejected")
        return delete_memory(memory=memory, actor=actor, reason=reason)


def _lock_waiting(memory: Memory, action: str) -> Memory:
    locked = lock(memory)
    if locked.status not in WAITING:
        raise MemoryStatusRefused(locked.status, action)
    return locked


def _lock_opposed(memory: Memory) -> Sequence[Memory]:
    return list(opposed(memory).select_for_update().order_by("pk"))


def _close(others: Sequence[Memory], until: datetime, actor: Actor, reason: str) -> None:
    for other in others:
        check_interval(other.valid_from, until)
        before = outline(other)
        other.valid_until = until
        other.updated_at = timezone.now()
        other.save(update_fields=["valid_until", "updated_at"])
        record_change(
            other, Operation.UPDATE, actor=actor, reason=reason, before=before, action="date"
        )
