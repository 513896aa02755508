"""Lists of memories as the console shows them: sorted, or by relevance with the score."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from django.http import HttpRequest
from django.utils import timezone

from ibex.http import read_page
from ibex.keyset import NEWEST_FIRST, Order, Page
from memories.browsing.bars import ScoreBar, score_bar
from memories.browsing.detail import latest_turns
from memories.browsing.finding import compared_words, search
from memories.filters import MAX_FOUND, MemoryFilter
from memories.models import Memory, MemoryUse
from memories.retrieval import Candidate, Query, Vector
from sessions.models import Turn

MAX_CONSIDERED = 200
WORD = re.compile(r"\w{2,}")
ORDERS = {
    "newest": NEWEST_FIRST,
    "oldest": Order(("created_at", "id"), descending=False),
    "confidence": Order(("confidence", "id"), descending=True),
    "useful": Order(("usefulness", "id"), descending=True),
}
MOST_RECALLED = Order(("injected_count", "memory_id"), descending=True)


@dataclass(frozen=True)
class Piece:
    """Some text of a memory; marked when it is a word that was searched for."""

    text: str
    is_match: bool


@dataclass(frozen=True)
class MemoryRow:
    """One memory in a list, the turn it was last heard in, and its score when it was sought."""

    memory: Memory
    pieces: list[Piece]
    heard: Turn | None
    bar: ScoreBar | None = None


def sorted_page(request: HttpRequest, filters: MemoryFilter) -> Page[Memory]:
    """Read the page that the URL's cursor names, in the order that was asked for.

    Most recalled lists only what ever stood in a prompt.
    """
    if filters.order != "recalled":
        return read_page(request, filters.rows, ORDERS[filters.order])
    uses = MemoryUse.objects.filter(org=filters.org_id, memory__in=filters.rows.values("pk"))
    page = read_page(request, uses, MOST_RECALLED)
    wanted = [use.memory_id for use in page.items]
    rows = {row.pk: row for row in filters.queryset.filter(pk__in=wanted)}
    return Page([rows[pk] for pk in wanted if pk in rows], page.next_cursor)


def plain_rows(memories: Sequence[Memory], words: str = "") -> list[MemoryRow]:
    """Show memories in the order they come."""
    heard = latest_turns(memories)
    return [
        MemoryRow(memory, marked(memory.content, words), heard.get(memory.pk))
        for memory in memories
    ]


def ranked_rows(filters: MemoryFilter, vector: Vector | None) -> list[MemoryRow]:
    """Rank all that the agents remember, whoever it is about, and keep what the filter allows.

    Without the vector of a semantic or hybrid search, words alone are compared.
    """
    query = Query(
        org_id=filters.org_id,
        agent_id=filters.overseen[0],
        overseen=filters.overseen,
        subject=filters.sought_person,
        text=compared_words(filters.sought, filters.search_mode, vector),
        vector=vector,
        now=timezone.now(),
        limit=MAX_CONSIDERED,
        kinds=frozenset({"memory"}),
    )
    found = search(query)
    rows = filters.rows_to_rank.in_bulk([one.id for one in found])
    kept = [one for one in found if one.id in rows]
    filters.found = len(kept)
    shown = kept[:MAX_FOUND]
    heard = latest_turns([rows[one.id] for one in shown])
    return [_ranked(rows[one.id], one, filters.sought, heard.get(one.id)) for one in shown]


def marked(text: str, words: str) -> list[Piece]:
    """Cut a text at the words that were searched for, without case."""
    wanted = sorted(set(WORD.findall(words.lower())), key=len, reverse=True)
    if not wanted:
        return [Piece(text, is_match=False)]
    pattern = re.compile(rf"\b({'|'.join(map(re.escape, wanted))})", re.IGNORECASE)
    pieces = (Piece(part, n % 2 == 1) for n, part in enumerate(pattern.split(text)))
    return [piece for piece in pieces if piece.text]


def _ranked(memory: Memory, one: Candidate, words: str, heard: Turn | None) -> MemoryRow:
    bar = score_bar(one.score, asdict(one.scores))
    return MemoryRow(memory, marked(memory.content, words), heard, bar)
