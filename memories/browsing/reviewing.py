"""The review inbox: what waits, what it contradicts, and the turns both sides were said in."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from memories.browsing.detail import Source, sources_of
from memories.models import Memory, MemoryRelationship, MemoryVersion


@dataclass(frozen=True)
class Side:
    """One memory with the turns it came from."""

    memory: Memory
    sources: list[Source]


@dataclass(frozen=True)
class Case:
    """One memory that waits, why, and the memories in use that it contradicts."""

    waiting: Side
    why: str
    others: list[Side] = field(default_factory=list)


def cases(memories: Sequence[Memory]) -> list[Case]:
    """Lay out the cases of one page; the number of queries does not grow with the memories."""
    against = _opposed(memories)
    sides = [*memories, *(other for others in against.values() for other in others)]
    said = sources_of(sides)
    why = _reasons(memories)
    return [
        Case(
            Side(memory, said[memory.pk]),
            why.get(memory.pk, ""),
            [Side(other, said[other.pk]) for other in against[memory.pk]],
        )
        for memory in memories
    ]


def _opposed(memories: Sequence[Memory]) -> dict[UUID, list[Memory]]:
    edges = MemoryRelationship.objects.filter(
        source__in=[memory.pk for memory in memories],
        type=MemoryRelationship.Type.CONTRADICTS,
        target__status=Memory.Status.ACTIVE,
    )
    found: dict[UUID, list[Memory]] = defaultdict(list)
    for edge in edges.select_related("target").order_by("created_at", "pk"):
        found[edge.source_id].append(edge.target)
    return found


def _reasons(memories: Sequence[Memory]) -> dict[UUID, str]:
    """Return why each came to wait: the reason of its newest version."""
    rows = MemoryVersion.objects.filter(memory__in=[memory.pk for memory in memories])
    newest = rows.order_by("memory_id", "-number").distinct("memory_id")
    return dict(newest.values_list("memory_id", "reason"))
