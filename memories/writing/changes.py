"""The steps that several services share. Call inside the tenant, with the agent locked."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from memories.indexing.searchability import withdraw
from memories.models import Memory, MemoryLabel, MemoryRelationship, MemoryVersion
from memories.writing.history import outline, record_change, relate
from orgs.audit import Actor

Edge = MemoryRelationship.Type
Operation = MemoryVersion.Operation
MAX_SOURCE_TURNS = 1_000


def replace_labels(memory: Memory, labels: Mapping[str, float]) -> None:
    """Give a memory exactly these labels."""
    MemoryLabel.objects.filter(memory=memory).delete()
    add_labels(memory, labels)


def add_labels(memory: Memory, labels: Mapping[str, float]) -> None:
    """Give a new memory its labels."""
    MemoryLabel.objects.bulk_create(
        MemoryLabel(org_id=memory.org_id, memory=memory, label=label, confidence=confidence)
        for label, confidence in labels.items()
    )


def supersede(old: Memory, *, by: Memory, actor: Actor) -> None:
    """Close an older memory where the newer one begins; its turns are not found any more."""
    before = outline(old)
    old.status = Memory.Status.SUPERSEDED
    end = max(old.valid_from, by.valid_from)
    old.valid_until = min(old.valid_until or end, end)
    old.updated_at = by.updated_at
    old.save(update_fields=["status", "valid_until", "updated_at"])
    relate(by, old, Edge.SUPERSEDES)
    reason = "A newer memory about the same thing."
    record_change(old, Operation.SUPERSEDE, actor=actor, reason=reason, before=before)
    withdraw(old)


def absorb(survivor: Memory, other: Memory, *, actor: Actor) -> None:
    """Take what another wording adds: its evidence. The other stays, as merged."""
    before = outline(survivor)
    add_evidence(survivor, other.source_turns)
    survivor.observed_at = max(survivor.observed_at, other.observed_at)
    survivor.confidence = max(survivor.confidence, other.confidence)
    survivor.updated_at = other.updated_at
    survivor.save(update_fields=["source_turns", "observed_at", "confidence", "updated_at"])
    relate(survivor, other, Edge.MERGED_FROM)
    reason = "Another memory said the same in other words."
    record_change(survivor, Operation.MERGE, actor=actor, reason=reason, before=before)


def add_evidence(memory: Memory, turns: Iterable[UUID]) -> None:
    """Add the turns a memory was heard in; the latest 1,000 are kept."""
    merged = dict.fromkeys([*memory.source_turns, *turns])
    memory.source_turns = list(merged)[-MAX_SOURCE_TURNS:]
