"""Lists of memories as the console shows them: sorted, or by relevance with the score."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from agents.models import Agent
from ibex.http import read_page
from ibex.keyset import NEWEST_FIRST, Order, Page
from memories.browsing.bars import ScoreBar, score_bar
from memories.browsing.finding import find_memories
from memories.filters import MemoryFilter
from memories.models import Memory, MemoryUse
from memories.retrieval import Vector

MAX_FOUND = 50
MAX_CONSIDERED = 200
WORD = re.compile(r"\w{2,}")
ORDERS = {
    "newest": NEWEST_FIRST,
    "oldest": Order(("created_at", "id"), descending=False),
    "confidence": Order(("confidence", "id"), descending=True),
}
MOST_RECALLED = Order(("injected_count", "memory_id"), descending=True)


@dataclass(frozen=True)
class Piece:
    """Some text of a memory; marked when it is a word that was searched for."""

    text: str
    is_match: bool


@dataclass(frozen=True)
class MemoryRow:
    """One memory in a list, with its score when it was searched for."""

    memory: Memory
    pieces: list[Piece]
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


def plain_rows(memories: Iterable[Memory], words: str = "") -> list[MemoryRow]:
    """Show memories in the order they come."""
    return [MemoryRow(memory, marked(memory.content, words)) for memory in memories]


def ranked_rows(
    agent: Agent, filters: MemoryFilter, vector: Vector | None
) -> tuple[list[MemoryRow], bool]:
    """Search as the agent would, keep what the filter allows, and say whether it was degraded."""
    question = {"query": filters.sought, "mode": filters.search_mode, "limit": MAX_CONSIDERED}
    found = find_memories(agent, question, subject=filters.searching_as, vector=vector)
    scores = {item["id"]: item for item in found["items"]}
    rows = {str(row.pk): row for row in filters.rows_to_rank.filter(pk__in=list(scores))}
    ordered = [(rows[pk], item) for pk, item in scores.items() if pk in rows]
    shown = [_ranked(memory, item, filters.sought) for memory, item in ordered[:MAX_FOUND]]
    return shown, bool(found["degraded"])


def marked(text: str, words: str) -> list[Piece]:
    """Cut a text at the words that were searched for, without case."""
    wanted = sorted(set(WORD.findall(words.lower())), key=len, reverse=True)
    if not wanted:
        return [Piece(text, is_match=False)]
    pattern = re.compile(rf"\b({'|'.join(map(re.escape, wanted))})", re.IGNORECASE)
    pieces = (Piece(part, n % 2 == 1) for n, part in enumerate(pattern.split(text)))
    return [piece for piece in pieces if piece.text]


def _ranked(memory: Memory, item: dict[str, Any], words: str) -> MemoryRow:
    return MemoryRow(
        memory, marked(memory.content, words), score_bar(item["score"], item["scores"])
    )
