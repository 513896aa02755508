"""What the console shows of one memory: where it came from, how it changed, when it was used."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from ibex.differences import Piece, word_changes
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


def recalls(memory: Memory) -> list[Recall]:
    """Return the latest turns whose prompt held a memory."""
    rows = Recall.objects.filter(
        org=memory.org_id, item_id=memory.pk, kind=ItemKind.MEMORY
    ).select_related("turn__session")
    unread = rows.defer("turn__request", "turn__completion", "turn__assembly", "turn__injected")
    return list(unread.order_by("-created_at", "-id")[:MAX_RECALLS])


def edges(memory: Memory) -> Iterator[Edge]:
    """Yield the memories that this one replaced, was merged with, contradicts and so on."""
    drawn = MemoryRelationship.objects.filter(org=memory.org_id)
    for edge in drawn.filter(source=memory).select_related("target")[:MAX_EDGES]:
        yield Edge(OUTGOING[edge.type], edge.target)
    for edge in drawn.filter(target=memory).select_related("source")[:MAX_EDGES]:
        yield Edge(INCOMING[edge.type], edge.source)


def _quote(turn: Turn) -> str | None:
    try:
        said = bodies.user_text(turn)
    except UnreadableBody:
        return None
    return said if len(said) <= MAX_QUOTE else f"{said[:MAX_QUOTE]}…"


def _changes(old: MemoryVersion, new: MemoryVersion) -> list[Piece] | None:
    return None if old.content == new.content else word_changes(old.content, new.content)
