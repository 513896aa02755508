"""Every write to memories.

Each opens its own tenant. Call `write_memory` and `edit_memory` outside of a transaction: they
ask the embedder, which must not happen while locks are held.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from agents.models import Agent
from ibex import due
from ibex.tenancy import tenant
from memories import metrics
from memories.errors import MemoryAlreadyKnown, MemoryStatusRefused
from memories.indexing.searchability import publish, reveal_turns, withdraw
from memories.indexing.vectors import embed_or_wait, next_try, set_embedding
from memories.models import Memory, MemoryQuerySet, MemoryVersion, Passage
from memories.writing.changes import supersede
from memories.writing.conflicts import Outcome
from memories.writing.drafts import prepare
from memories.writing.edits import Edit, apply_edit, prepare_edit
from memories.writing.history import outline, record_change
from memories.writing.neighbours import in_scope, lock_agent
from memories.writing.pipeline import WriteResult, write_draft
from orgs import audit
from orgs.audit import Actor
from sessions.models import Session

__all__ = ["Outcome", "WriteResult"]

Operation = MemoryVersion.Operation
Status = Memory.Status
FEEDBACK_STEP = 0.1
TARGETS = {"positive": 1.0, "negative": 0.0, "neutral": None}


def write_memory(
    *,
    agent: Agent,
    content: str,
    actor: Actor,
    source: str = Memory.Source.USER_PROVIDED,
    category: str | None = None,
    labels: Mapping[str, float] | None = None,
    confidence: float = 0.80,
    subject: str | None = None,
    session: Session | None = None,
    visibility: str | None = None,
    subject_key: str = "",
    pinned: bool = False,
    tags: Sequence[str] = (),
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
    observed_at: datetime | None = None,
    expires_at: datetime | None = None,
    source_turns: Sequence[UUID] = (),
    replaces: Sequence[str] = (),
    retracts: str = "",
    reason: str = "",
) -> WriteResult:
    """Remember something, unless it is known; what it replaces is superseded.

    `session` makes it visible to that session alone. `replaces` names further subject keys whose
    memories this one ends; with `retracts`, only those end whose text mentions these words.
    Raises `InvalidMemory`, `MemoryTooLong`.
    """
    draft = prepare(
        content=content,
        source=source,
        category=category,
        labels=labels,
        confidence=confidence,
        visibility=visibility,
        subject=subject,
        session_id=session.pk if session else None,
        subject_key=subject_key,
        pinned=pinned,
        tags=tags,
        valid_from=valid_from,
        valid_until=valid_until,
        observed_at=observed_at,
        expires_at=expires_at,
        source_turns=source_turns,
        replaces=replaces,
        retracts=retracts,
    )
    result = write_draft(agent, draft, actor=actor, reason=reason)
    metrics.WRITTEN.labels(result.outcome.value).inc()
    return result


def edit_memory(*, memory: Memory, actor: Actor, reason: str = "", **changes: Any) -> Memory:
    """Change what an operator may change (`memories.writing.edits.EDITABLE`).

    New content is redacted, judged, hashed and embedded again; when it turns out risky the memory
    is quarantined. Raises `InvalidMemory`, `MemoryTooLong`, `MemoryAlreadyKnown`,
    `MemoryStatusRefused` for a deleted one, and `TypeError` for what cannot be changed.
    """
    edit = prepare_edit(memory, changes)
    vector = _embed_edit(memory, edit)
    with tenant(memory.org_id):
        locked = _lock(memory)
        if locked.status == Status.DELETED:
            raise MemoryStatusRefused(locked.status, "edited")
        before = outline(locked)
        _refuse_duplicate(locked, edit.content_hash or locked.content_hash)
        apply_edit(locked, edit, vector)
        record_change(locked, Operation.UPDATE, actor=actor, reason=reason, before=before)
        _keep_found(locked)
    return locked


def archive_memory(*, memory: Memory, actor: Actor, reason: str = "") -> Memory:
    """Put a memory away: it is kept and never retrieved. Archiving twice changes nothing."""
    with tenant(memory.org_id):
        locked = _lock(memory)
        if locked.status == Status.ARCHIVED:
            return locked
        if locked.status != Status.ACTIVE:
            raise MemoryStatusRefused(locked.status, "archived")
        return _set_status(locked, Status.ARCHIVED, Operation.ARCHIVE, actor, reason)


def delete_memory(*, memory: Memory, actor: Actor, reason: str = "") -> Memory:
    """Forget a memory: neither it nor the turns it was made from are found any more.

    It can be restored until it is erased. Deleting twice changes nothing.
    """
    with tenant(memory.org_id):
        locked = _lock(memory)
        if locked.status == Status.DELETED:
            return locked
        return _set_status(locked, Status.DELETED, Operation.DELETE, actor, reason)


def restore_memory(*, memory: Memory, actor: Actor, reason: str = "") -> Memory:
    """Use a deleted, archived, merged or superseded memory again.

    It holds from now on without an end, and supersedes what is active about the same thing.
    Raises `MemoryAlreadyKnown`; `MemoryStatusRefused` while it waits for review.
    """
    with tenant(memory.org_id):
        locked = _lock(memory)
        if locked.status == Status.ACTIVE:
            return locked
        if locked.status in {Status.QUARANTINED, Status.PENDING_REVIEW}:
            raise MemoryStatusRefused(locked.status, "restored; accept it instead")
        return _activate(locked, actor, reason, Operation.RESTORE, "")


def accept_memory(*, memory: Memory, actor: Actor, reason: str = "") -> Memory:
    """Release a quarantined or pending memory after review; now it may replace others.

    To refuse it, delete it. Raises `MemoryAlreadyKnown`, `MemoryStatusRefused`.
    """
    with tenant(memory.org_id):
        locked = _lock(memory)
        if locked.status not in {Status.QUARANTINED, Status.PENDING_REVIEW}:
            raise MemoryStatusRefused(locked.status, "accepted")
        return _activate(locked, actor, reason, Operation.UPDATE, "accept")


def record_feedback(*, memory: Memory, rating: str, actor: Actor) -> Memory:
    """Move a memory's usefulness a tenth of the way to 1 (positive) or 0 (negative).

    `neutral` is only audited. Raises `ValueError` for another rating.
    """
    if rating not in TARGETS:
        raise ValueError(f"rating is one of {', '.join(TARGETS)}")
    target = TARGETS[rating]
    with tenant(memory.org_id):
        locked = _lock(memory)
        if target is not None:
            locked.usefulness += FEEDBACK_STEP * (target - locked.usefulness)
            locked.positive_count += rating == "positive"
            locked.negative_count += rating == "negative"
            locked.save(update_fields=["usefulness", "positive_count", "negative_count"])
        after = {"rating": rating, "usefulness": round(locked.usefulness, 4)}
        audit.record("memory.feedback", locked, actor=actor, after=after)
    return locked


def embed_if_missing(*, org_id: UUID, kind: str, item_id: UUID) -> None:
    """Make up for an embedding that could not be made at once. `kind`: memory or passage."""
    model: type[Memory | Passage] = Memory if kind == "memory" else Passage
    with tenant(org_id):
        item = model.objects.filter(pk=item_id, embed_after__isnull=False).first()
    if item is None or item.embed_after is None:
        return
    due.begin("embed", item.embed_after)
    text = item.content if isinstance(item, Memory) else item.text
    vector = embed_or_wait(org_id, [text])[0]
    with tenant(org_id):
        locked = model.objects.select_for_update().get(pk=item_id)
        if locked.embed_after is None or locked.terms != item.terms:
            return  # changed meanwhile, and with another vector
        set_embedding(locked, vector)
        if vector is None:
            changed = locked.updated_at if isinstance(locked, Memory) else locked.created_at
            locked.embed_after = next_try(changed)
        locked.save(
            update_fields=[
                "embedding",
                "embedding_model",
                "embedding_dim",
                "embed_after",
                "embed_claimed_until",
            ]
        )


def _lock(memory: Memory) -> Memory:
    lock_agent(memory.agent_id)
    return Memory.objects.select_for_update().get(pk=memory.pk)


def _embed_edit(memory: Memory, edit: Edit) -> list[float] | None:
    if edit.content is None or edit.is_risky:
        return None
    return embed_or_wait(memory.org_id, [edit.content])[0]


def _set_status(
    memory: Memory, status: str, operation: MemoryVersion.Operation, actor: Actor, reason: str
) -> Memory:
    before = outline(memory)
    memory.status = status
    memory.embed_after = None
    memory.updated_at = timezone.now()
    memory.save(update_fields=["status", "embed_after", "updated_at"])
    record_change(memory, operation, actor=actor, reason=reason, before=before)
    _keep_found(memory)
    return memory


def _activate(
    memory: Memory, actor: Actor, reason: str, operation: MemoryVersion.Operation, action: str
) -> Memory:
    _refuse_duplicate(memory, memory.content_hash)
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
    for rival in _rivals(memory):
        supersede(rival, by=memory, actor=actor)
    publish(memory)
    reveal_turns(memory)
    return memory


def _others_like(memory: Memory) -> MemoryQuerySet:
    """Return the other active memories of the same agent, subject and session."""
    found = in_scope(memory.agent_id, memory.subject, memory.session_id)
    return found.filter(status=Status.ACTIVE).exclude(pk=memory.pk)


def _rivals(memory: Memory) -> list[Memory]:
    if not memory.subject_key:
        return []
    same = _others_like(memory).filter(subject_key=memory.subject_key)
    return list(same.select_for_update().order_by("pk"))


def _refuse_duplicate(memory: Memory, content_hash: str) -> None:
    if _others_like(memory).filter(content_hash=content_hash).exists():
        raise MemoryAlreadyKnown


def _keep_found(memory: Memory) -> None:
    if memory.status == Status.ACTIVE:
        publish(memory)
    else:
        withdraw(memory)
