"""The steps of the write pipeline that need the database and the embedder (ADR 0034, 0037).

exact duplicate → embed → near duplicate → conflict → insert. The embedding is made outside of the
transaction; decision and writes are one short transaction, one writer per agent at a time.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError

from agents.models import Agent
from ibex.tenancy import tenant
from memories.indexing.searchability import SILENCING, count_words, hide_turns, publish, withdraw
from memories.indexing.vectors import embed_or_wait, set_embedding
from memories.models import Memory, MemoryRelationship
from memories.writing import changes
from memories.writing.conflicts import Judgement, Outcome, judge
from memories.writing.drafts import Draft
from memories.writing.history import record_creation, relate
from memories.writing.neighbours import about_the_same, find_known, lock_agent, near
from orgs.audit import Actor

Edge = MemoryRelationship.Type
STATUS_OF = {
    Outcome.CREATED: Memory.Status.ACTIVE,
    Outcome.SUPERSEDED: Memory.Status.ACTIVE,
    Outcome.MERGED: Memory.Status.MERGED,
    Outcome.OUTDATED: Memory.Status.SUPERSEDED,
    Outcome.PENDING_REVIEW: Memory.Status.PENDING_REVIEW,
    Outcome.QUARANTINED: Memory.Status.QUARANTINED,
}


@dataclass(frozen=True)
class WriteResult:
    """What a write left behind: for a duplicate or a merge, the memory that was there."""

    memory: Memory
    outcome: Outcome


def write_draft(agent: Agent, draft: Draft, *, actor: Actor, reason: str) -> WriteResult:
    """Write a prepared draft, or find that it is known; what is known is not embedded."""
    with tenant(agent.org_id):
        embeds = not draft.is_risky and find_known(agent, draft) is None
    vector = embed_or_wait(agent.org_id, [draft.content])[0] if embeds else None
    try:
        return _decide_and_write(agent, draft, vector, actor, reason)
    except IntegrityError:  # somebody else wrote the same a moment ago
        with tenant(agent.org_id):
            if known := find_known(agent, draft):
                return _see_again(known, draft)
        raise


def _decide_and_write(
    agent: Agent, draft: Draft, vector: list[float] | None, actor: Actor, reason: str
) -> WriteResult:
    with tenant(agent.org_id):
        lock_agent(agent.pk)
        if known := find_known(agent, draft):
            return _see_again(known, draft)
        judgement = judge(draft, near(agent, draft, vector), about_the_same(agent, draft))
        memory = _insert(agent, draft, vector, judgement)
        record_creation(memory, draft.labels, actor=actor, reason=reason or judgement.reason)
        return _settle(memory, judgement, actor)


def _insert(agent: Agent, draft: Draft, vector: list[float] | None, judgement: Judgement) -> Memory:
    memory = Memory(
        org_id=agent.org_id,
        agent=agent,
        subject=draft.subject,
        session_id=draft.session_id,
        content=draft.content,
        content_hash=draft.content_hash,
        category=draft.category,
        confidence=draft.confidence,
        source=draft.source,
        status=STATUS_OF[judgement.outcome],
        visibility=draft.visibility,
        subject_key=draft.subject_key,
        pinned=draft.pinned,
        tags=list(draft.tags),
        valid_from=draft.valid_from,
        valid_until=_end(draft, judgement),
        observed_at=draft.observed_at,
        expires_at=draft.expires_at,
        source_turns=list(draft.source_turns)[: changes.MAX_SOURCE_TURNS],
        pii=list(draft.pii),
        injection_risk=draft.injection_risk,
    )
    count_words(memory, draft.content)
    if not draft.is_risky:
        set_embedding(memory, vector)
    memory.save(force_insert=True)
    changes.add_labels(memory, draft.labels)
    return memory


def _end(draft: Draft, judgement: Judgement) -> datetime | None:
    if judgement.outcome is not Outcome.OUTDATED:
        return draft.valid_until
    later = min(memory.valid_from for memory in judgement.others)
    return min(later, draft.valid_until or later)


def _settle(memory: Memory, judgement: Judgement, actor: Actor) -> WriteResult:
    """Carry out what the judgement means for the memories that were there."""
    for other in judgement.others:
        match judgement.outcome:
            case Outcome.SUPERSEDED:
                changes.supersede(other, by=memory, actor=actor)
            case Outcome.OUTDATED:
                relate(other, memory, Edge.SUPERSEDES)
            case Outcome.PENDING_REVIEW:
                relate(memory, other, Edge.CONTRADICTS)
            case Outcome.MERGED:
                changes.absorb(other, memory, actor=actor)
    if memory.status == Memory.Status.ACTIVE:
        publish(memory)
    else:
        withdraw(memory)
    merged = judgement.outcome is Outcome.MERGED
    return WriteResult(judgement.others[0] if merged else memory, judgement.outcome)


def _see_again(memory: Memory, draft: Draft) -> WriteResult:
    """Note that something known was said again: evidence, not a change."""
    new_turns = set(draft.source_turns) - set(memory.source_turns)
    if new_turns or draft.observed_at > memory.observed_at:
        lock_agent(memory.agent_id)
        memory = Memory.objects.select_for_update().get(pk=memory.pk)
        changes.add_evidence(memory, draft.source_turns)
        memory.observed_at = max(memory.observed_at, draft.observed_at)
        memory.save(update_fields=["source_turns", "observed_at"])
        if memory.status in SILENCING:
            hide_turns(new_turns, because=memory.status)
    return WriteResult(memory, Outcome.DUPLICATE)
