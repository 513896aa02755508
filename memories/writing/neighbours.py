"""Which memories a draft has to be compared with. Call inside the tenant."""

from uuid import UUID

from django.db import connection
from django.db.models import Q
from pgvector.django import CosineDistance

from agents.models import Agent
from memories.models import Memory, MemoryQuerySet, MemoryRelationship
from memories.writing.drafts import Draft

NEAR_COSINE = 0.85
MAX_NEIGHBOURS = 10
WAITING = (Memory.Status.QUARANTINED, Memory.Status.PENDING_REVIEW)
BULK_LOCK = (
    "SELECT pg_advisory_xact_lock("
    "hashtextextended('ibex.bulk:' || current_setting('ibex.org_id'), 0))"
)
AGENT_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('ibex.memories:' || %s, 0))"


def lock_agent(agent_id: UUID) -> None:
    """Let one writer at a time decide about an agent's memories, until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(AGENT_LOCK, [str(agent_id)])


def lock_bulk() -> None:
    """Let one change of many agents' memories at a time lock them: two could wait in a ring."""
    with connection.cursor() as cursor:
        cursor.execute(BULK_LOCK)


def in_scope(agent_id: UUID, subject: str | None, session_id: UUID | None) -> MemoryQuerySet:
    """Start from the memories of one agent and subject, and of one session or of none.

    Vectors and terms are left in the database: they are most of a row, and not compared here.
    """
    found = Memory.objects.filter(agent_id=agent_id, subject=subject).order_by()
    found = found.defer("embedding", "terms")
    return found.filter(session_id=session_id) if session_id else found.filter(session=None)


def of_same_scope(agent: Agent, draft: Draft) -> MemoryQuerySet:
    """Start from the memories of the draft's agent, subject and session."""
    return in_scope(agent.pk, draft.subject, draft.session_id)


def find_known(agent: Agent, draft: Draft) -> Memory | None:
    """Find the memory that this draft repeats word by word.

    That is an active one, one that waits for review, one that was merged into an active one; or
    any, whatever became of it, that was made from the same turn: learning twice from one turn
    brings nothing back.
    """
    same = of_same_scope(agent, draft).filter(content_hash=draft.content_hash)
    for memory in same.order_by("created_at"):
        if set(draft.source_turns) & set(memory.source_turns):
            return memory
        if memory.status == Memory.Status.ACTIVE or memory.status in WAITING:
            return memory
        if memory.status == Memory.Status.MERGED and (survivor := _survivor(memory)):
            return survivor
    return None


def near(agent: Agent, draft: Draft, vector: list[float] | None) -> list[Memory]:
    """Return active memories whose meaning is close (cosine above 0.85), closest first."""
    if vector is None:
        return []
    distance = CosineDistance("embedding", vector)
    found = (
        of_same_scope(agent, draft)
        .filter(status=Memory.Status.ACTIVE, embedding__isnull=False)
        .annotate(distance=distance)
        .order_by("distance")[:MAX_NEIGHBOURS]
    )
    return [memory for memory in found if vars(memory)["distance"] < 1 - NEAR_COSINE]


def about_the_same(agent: Agent, draft: Draft) -> list[Memory]:
    """Return active memories with the draft's subject key, or with one that it says it replaces.

    Only those whose validity overlaps the draft's; the oldest first.
    """
    keys = {draft.subject_key, *draft.replaces} - {""}
    if not keys:
        return []
    overlapping = Q(valid_until=None) | Q(valid_until__gt=draft.valid_from)
    if draft.valid_until:
        overlapping &= Q(valid_from__lt=draft.valid_until)
    found = of_same_scope(agent, draft).filter(
        overlapping, status=Memory.Status.ACTIVE, subject_key__in=keys
    )
    return list(found.exclude(subject_key="").order_by("valid_from", "created_at"))


def _survivor(memory: Memory) -> Memory | None:
    edges = MemoryRelationship.objects.filter(
        target=memory,
        type=MemoryRelationship.Type.MERGED_FROM,
        source__status=Memory.Status.ACTIVE,
    )
    edge = edges.select_related("source").first()
    return edge.source if edge else None
