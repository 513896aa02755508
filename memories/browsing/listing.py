"""Lists of memories as the console shows them: by time, or by relevance with the score."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from agents.models import Agent
from memories.browsing.bars import ScoreBar, score_bar
from memories.browsing.finding import find_memories
from memories.filters import MemoryFilterForm
from memories.models import Memory, MemoryQuerySet
from memories.retrieval import Vector

MAX_FOUND = 50
MAX_CONSIDERED = 200
WORD = re.compile(r"\w{2,}")


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


def plain_rows(memories: Iterable[Memory], words: str = "") -> list[MemoryRow]:
    """Show memories in the order they come."""
    return [MemoryRow(memory, marked(memory.content, words)) for memory in memories]


def ranked_rows(
    agent: Agent, memories: MemoryQuerySet, form: MemoryFilterForm, vector: Vector | None
) -> tuple[list[MemoryRow], bool]:
    """Search as the agent would, keep what is among `memories`, and say whether it was degraded."""
    question = {"query": form.words, "mode": form.search_mode, "limit": MAX_CONSIDERED}
    found = find_memories(agent, question, subject=form.searching_as, vector=vector)
    scores = {item["id"]: item for item in found["items"]}
    rows = {str(memory.pk): memory for memory in memories.filter(pk__in=list(scores))}
    ordered = [(rows[pk], item) for pk, item in scores.items() if pk in rows]
    shown = [_ranked(memory, item, form.words) for memory, item in ordered[:MAX_FOUND]]
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
