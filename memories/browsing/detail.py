"""What the console shows of one memory: where it came from, how it changed, when it was used."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from uuid import UUID

from pgvector.django import CosineDistance

from ibex.differences import Piece, word_changes
from ibex.keyset import NEWEST_FIRST, Page, take_page
from memories.models import ItemKind, Memory, MemoryRelationship, MemoryVersion, Recall
from sessions import bodies
from sessions.errors import UnreadableBody
from sessions.models import Turn

MAX_SOURCES = 5
MAX_VERSIONS = 50
MAX_COMPARED = 10
MAX_RECALLS = 20
MAX_EDGES = 20
MAX_QUOTE = 400
MAX_NEIGHBOURS = 5


@dataclass(frozen=True)
class Source:
    """One turn that a memory was made from, and how it begins; None when it cannot be read."""

    turn: Turn
    quote: str | None


@dataclass(frozen=True)
class Version:
    """How a memory stood after one change, and what that change did to its text."""

    row: MemoryVersion
    changes: list[Piece] | None


@dataclass(frozen=True)
class Edge:
    """How another memory stands to this one, in words."""

    words: str
    memory: Memory


@dataclass(frozen=True)
class Neighbour:
    """An active memory of the same agent and subject, and how close its meaning is (cosine)."""

    memory: Memory
    cosine: float


OUTGOING = {
    "supersedes": "replaces",
    "contradicts": "contradicts",
    "specializes": "is a case of",
    "generalizes": "is the general case of",
    "merged_from": "took in",
    "derived_from": "was derived from",
}
INCOMING = {
    "supersedes": "was replaced by",
    "contradicts": "is contradicted by",
    "specializes": "has the case",
    "generalizes": "is a case of",
    "merged_from": "was taken in by",
    "derived_from": "led to",
}


def sources(memory: Memory) -> list[Source]:
    """Return the latest turns that a memory was made from, with what the user said in them."""
    turns = Turn.objects.filter(org=memory.org_id, pk__in=memory.source_turns)
    latest = turns.defer("completion").select_related("session").order_by("-created_at", "-pk")
    return [Source(turn, _quote(turn)) for turn in latest[:MAX_SOURCES]]


def sources_of(memories: Sequence[Memory]) -> dict[UUID, list[Source]]:
    """Return the same for many memories, in one query."""
    wanted = {memory.pk: memory.source_turns[-MAX_SOURCES:] for memory in memories}
    turns = Turn.objects.filter(pk__in={turn for turns in wanted.values() for turn in turns})
    found = {turn.pk: turn for turn in turns.defer("completion").select_related("session")}
    return {
        pk: [Source(found[turn], _quote(found[turn])) for turn in reversed(turns) if turn in found]
        for pk, turns in wanted.items()
    }


def latest_turns(memories: Sequence[Memory]) -> dict[UUID, Turn]:
    """Return the latest turn that is kept of each memory, without its words, in one query."""
    wanted = {memory.pk: memory.source_turns[-MAX_SOURCES:] for memory in memories}
    turns = Turn.objects.filter(pk__in={turn for turns in wanted.values() for turn in turns})
    named = turns.select_related("session").only("index", "session__external_id")
    found = {turn.pk: turn for turn in named}
    kept = {pk: [found[turn] for turn in turns if turn in found] for pk, turns in wanted.items()}
    return {pk: turns[-1] for pk, turns in kept.items() if turns}


def versions(memory: Memory) -> list[Version]:
    """Return a memory's latest versions; the latest few are compared with the one before each."""
    rows = list(memory.versions.all()[: MAX_VERSIONS + 1])
    pairs = enumerate(pairwise(rows))
    shown = [
        Version(new, _changes(old, new) if n < MAX_COMPARED else None) for n, (new, old) in pairs
    ]
    if rows and len(rows) <= MAX_VERSIONS:
        shown.append(Version(rows[-1], None))
    return shown


def recalls(memory: Memory, cursor: str | None = None) -> Page[Recall]:
    """Return the turns whose prompt held a memory, the latest first, a page at a time.

    Raises `MalformedCursor`.
    """
    rows = Recall.objects.filter(
        org=memory.org_id, item_id=memory.pk, kind=ItemKind.MEMORY
    ).select_related("turn__session")
    unread = rows.defer("turn__request", "turn__completion", "turn__assembly", "turn__injected")
    return take_page(unread, limit=MAX_RECALLS, cursor=cursor, order=NEWEST_FIRST)


def edges(memory: Memory) -> Iterator[Edge]:
    """Yield the memories that this one replaced, was merged with, contradicts and so on."""
    drawn = MemoryRelationship.objects.filter(org=memory.org_id)
    for edge in drawn.filter(source=memory).select_related("target")[:MAX_EDGES]:
        yield Edge(OUTGOING[edge.type], edge.target)
    for edge in drawn.filter(target=memory).select_related("source")[:MAX_EDGES]:
        yield Edge(INCOMING[edge.type], edge.source)


def neighbours(memory: Memory) -> list[Neighbour]:
    """Return the active memories of the same agent and subject that are closest in meaning."""
    if memory.embedding is None:
        return []
    same = Memory.objects.filter(org=memory.org_id, agent=memory.agent_id, subject=memory.subject)
    known = same.filter(status=Memory.Status.ACTIVE, embedding__isnull=False)
    distance = CosineDistance("embedding", memory.embedding)
    found = known.annotate(distance=distance).defer("embedding", "terms").order_by("distance")
    near = [row for row in found[: MAX_NEIGHBOURS + 1] if row.pk != memory.pk]
    return [Neighbour(row, 1 - vars(row)["distance"]) for row in near[:MAX_NEIGHBOURS]]


def _quote(turn: Turn) -> str | None:
    try:
        said = bodies.user_text(turn)
    except UnreadableBody:
        return None
    return said if len(said) <= MAX_QUOTE else f"{said[:MAX_QUOTE]}…"


def _changes(old: MemoryVersion, new: MemoryVersion) -> list[Piece] | None:
    return None if old.content == new.content else word_changes(old.content, new.content)
