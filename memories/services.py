"""Every write to memories.

Each opens its own tenant. Call `write_memory` and `edit_memory` outside of a transaction: they
ask the embedder, which must not happen while locks are held.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from agents.models import Agent
from ibex import due
from ibex.tenancy import tenant
from memories import metrics
from memories.errors import MemoryChangedMeanwhile, MemoryStatusRefused
from memories.indexing.vectors import embed_or_wait, next_try, set_embedding
from memories.models import Memory, MemoryVersion, Passage
from memories.writing.conflicts import Outcome
from memories.writing.drafts import clean_tags, prepare
from memories.writing.edits import Edit, apply_edit, prepare_edit
from memories.writing.history import latest_number, outline, record_change
from memories.writing.pipeline import WriteResult, write_draft
from memories.writing.standing import activate, keep_found, lock, refuse_duplicate, set_status
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


def edit_memory(
    *,
    memory: Memory,
    actor: Actor,
    reason: str = "",
    base_version: int | None = None,
    **changes: Any,
) -> Memory:
    """Change what an operator may change (`memories.writing.edits.EDITABLE`).

    New content is redacted, judged, hashed and embedded again; when it turns out risky the memory
    is quarantined. `base_version` is the version that the editor saw. Raises `InvalidMemory`,
    `MemoryTooLong`, `MemoryAlreadyKnown`, `MemoryStatusRefused` for a deleted one,
    `MemoryChangedMeanwhile` if there is a newer version, and `TypeError` for what cannot be
    changed.
    """
    edit = prepare_edit(memory, changes)
    vector = _embed_edit(memory, edit)
    with tenant(memory.org_id):
        locked = lock(memory)
        if locked.status == Status.DELETED:
            raise MemoryStatusRefused(locked.status, "edited")
        if base_version is not None and base_version != (latest := latest_number(locked)):
            raise MemoryChangedMeanwhile(latest)
        before = outline(locked)
        refuse_duplicate(locked, edit.content_hash or locked.content_hash)
        apply_edit(locked, edit, vector)
        record_change(locked, Operation.UPDATE, actor=actor, reason=reason, before=before)
        keep_found(locked)
    return locked


def pin_memory(*, memory: Memory, actor: Actor, pinned: bool = True, reason: str = "") -> Memory:
    """Keep a memory in reach of every message, or no longer. Pinning twice changes nothing.

    Raises `MemoryStatusRefused` for a deleted one.
    """
    with tenant(memory.org_id):
        locked = lock(memory)
        if locked.status == Status.DELETED:
            raise MemoryStatusRefused(locked.status, "pinned")
        if locked.pinned == pinned:
            return locked
        locked.pinned = pinned
        action = "pin" if pinned else "unpin"
        return _save_mark(locked, "pinned", action, actor, reason)


def tag_memory(
    *,
    memory: Memory,
    actor: Actor,
    add: Iterable[str] = (),
    remove: Iterable[str] = (),
    reason: str = "",
) -> Memory:
    """Add tags to a memory and take others away; what it has or lacks already changes nothing.

    Raises `InvalidMemory` past 20 tags, `MemoryStatusRefused` for a deleted one.
    """
    with tenant(memory.org_id):
        locked = lock(memory)
        if locked.status == Status.DELETED:
            raise MemoryStatusRefused(locked.status, "tagged")
        gone = set(clean_tags(list(remove)))
        tags = list(clean_tags([tag for tag in [*locked.tags, *add] if tag not in gone]))
        if tags == locked.tags:
            return locked
        locked.tags = tags
        return _save_mark(locked, "tags", "tag", actor, reason)


def archive_memory(*, memory: Memory, actor: Actor, reason: str = "") -> Memory:
    """Put a memory away: it is kept and never retrieved. Archiving twice changes nothing."""
    with tenant(memory.org_id):
        locked = lock(memory)
        if locked.status == Status.ARCHIVED:
            return locked
        if locked.status != Status.ACTIVE:
            raise MemoryStatusRefused(locked.status, "archived")
        return set_status(locked, Status.ARCHIVED, Operation.ARCHIVE, actor, reason)


def delete_memory(*, memory: Memory, actor: Actor, reason: str = "") -> Memory:
    """Forget a memory: neither it nor the turns it was made from are found any more.

    It can be restored until it is erased. Deleting twice changes nothing.
    """
    with tenant(memory.org_id):
        locked = lock(memory)
        if locked.status == Status.DELETED:
            return locked
        return set_status(locked, Status.DELETED, Operation.DELETE, actor, reason)


def restore_memory(*, memory: Memory, actor: Actor, reason: str = "") -> Memory:
    """Use a deleted, archived, merged or superseded memory again.

    It holds from now on without an end, and supersedes what is active about the same thing.
    Raises `MemoryAlreadyKnown`; `MemoryStatusRefused` while it waits for review.
    """
    with tenant(memory.org_id):
        locked = lock(memory)
        if locked.status == Status.ACTIVE:
            return locked
        if locked.status in {Status.QUARANTINED, Status.PENDING_REVIEW}:
            raise MemoryStatusRefused(locked.status, "restored; accept it instead")
        return activate(locked, actor, reason, Operation.RESTORE)


def quarantine_memory(*, memory: Memory, actor: Actor, reason: str = "") -> Memory:
    """Keep a memory from every prompt until somebody reviews it; its turns are hidden too.

    Quarantining twice changes nothing. Raises `MemoryStatusRefused` for what is deleted, merged
    or superseded.
    """
    with tenant(memory.org_id):
        locked = lock(memory)
        if locked.status == Status.QUARANTINED:
            return locked
        if locked.status not in {Status.ACTIVE, Status.ARCHIVED, Status.PENDING_REVIEW}:
            raise MemoryStatusRefused(locked.status, "quarantined")
        return set_status(locked, Status.QUARANTINED, Operation.UPDATE, actor, reason, "quarantine")


def accept_memory(*, memory: Memory, actor: Actor, reason: str = "") -> Memory:
    """Release a quarantined or pending memory after review; now it may replace others.

    To refuse it, delete it. Raises `MemoryAlreadyKnown`, `MemoryStatusRefused`.
    """
    with tenant(memory.org_id):
        locked = lock(memory)
        if locked.status not in {Status.QUARANTINED, Status.PENDING_REVIEW}:
            raise MemoryStatusRefused(locked.status, "accepted")
        return activate(locked, actor, reason, Operation.UPDATE, "accept")


def record_feedback(*, memory: Memory, rating: str, actor: Actor) -> Memory:
    """Move a memory's usefulness a tenth of the way to 1 (positive) or 0 (negative).

    `neutral` is only audited. Raises `ValueError` for another rating.
    """
    if rating not in TARGETS:
        raise ValueError(f"rating is one of {', '.join(TARGETS)}")
    target = TARGETS[rating]
    with tenant(memory.org_id):
        locked = lock(memory)
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


def _embed_edit(memory: Memory, edit: Edit) -> list[float] | None:
    if edit.content is None or edit.is_risky:
        return None
    return embed_or_wait(memory.org_id, [edit.content])[0]


def _save_mark(memory: Memory, field: str, action: str, actor: Actor, reason: str) -> Memory:
    """Save what does not change how a memory is found."""
    before = outline(memory)
    memory.updated_at = timezone.now()
    memory.save(update_fields=[field, "updated_at"])
    record_change(
        memory, Operation.UPDATE, actor=actor, reason=reason, before=before, action=action
    )
    return memory
