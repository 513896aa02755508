"""How a memory comes into use and goes out of it. Call inside the tenant.

Every step works on a memory that `lock` returned, leaves a version behind, and keeps the text
index true to what may be found.
"""

from collections.abc import Iterable

from django.utils import timezone

from memories.errors import MemoryAlreadyKnown
from memories.indexing.searchability import publish, withdraw
from memories.learning.recalls import reveal_turns
from memories.models import Memory, MemoryQuerySet, MemoryVersion
from memories.writing.changes import supersede
from memories.writing.history import outline, record_change
from memories.writing.neighbours import in_scope, lock_agent
from orgs.audit import Actor

Status = Memory.Status


def lock(memory: Memory) -> Memory:
    """Read a memory anew, with its agent and its row locked until the transaction ends."""
    lock_agent(memory.agent_id)
    return Memory.objects.select_for_update().get(pk=memory.pk)


def set_status(
    memory: Memory,
    status: str,
    operation: MemoryVersion.Operation,
    actor: Actor,
    reason: str,
    action: str = "",
) -> Memory:
    """Take a memory out of use."""
    before = outline(memory)
    memory.status = status
    memory.embed_after = None
    memory.updated_at = timezone.now()
    memory.save(update_fields=["status", "embed_after", "updated_at"])
    record_change(memory, operation, actor=actor, reason=reason, before=before, action=action)
    keep_found(memory)
    return memory


def activate(
    memory: Memory,
    actor: Actor,
    reason: str,
    operation: MemoryVersion.Operation,
    action: str = "",
    replacing: Iterable[Memory] | None = None,
) -> Memory:
    """Bring a memory into use; it supersedes `replacing`, or else what is about the same thing.

    Raises `MemoryAlreadyKnown`.
    """
    refuse_duplicate(memory, memory.content_hash)
    before = outline(memory)
    now = timezone.now()
    memory.status = Status.ACTIVE
    memory.valid_until = (
        None if memory.valid_until and memory.valid_until <= now else memory.valid_until
    )
    memory.embed_after = now if memory.embedding is None else None
    memory.updated_at = now
    memory.save(update_fields=["status", "valid_until", "embed_after", "updated_at"])
    record_change(memory, operation, actor=actor, reason=reason, before=before, action=action)
    for rival in rivals(memory) if replacing is None else replacing:
        supersede(rival, by=memory, actor=actor)
    publish(memory)
    reveal_turns(memory)
    return memory


def rivals(memory: Memory) -> list[Memory]:
    """Lock the other active memories about the same thing."""
    if not memory.subject_key:
        return []
    same = _others_like(memory).filter(subject_key=memory.subject_key)
    return list(same.select_for_update().order_by("pk"))


def refuse_duplicate(memory: Memory, content_hash: str) -> None:
    """Raise `MemoryAlreadyKnown` if another active memory says exactly this."""
    if _others_like(memory).filter(content_hash=content_hash).exists():
        raise MemoryAlreadyKnown


def keep_found(memory: Memory) -> None:
    """Let a memory be found by its words exactly while it is active."""
    if memory.status == Status.ACTIVE:
        publish(memory)
    else:
        withdraw(memory)


def _others_like(memory: Memory) -> MemoryQuerySet:
    """Return the other active memories of the same agent, subject and session."""
    found = in_scope(memory.agent_id, memory.subject, memory.session_id)
    return found.filter(status=Status.ACTIVE).exclude(pk=memory.pk)
