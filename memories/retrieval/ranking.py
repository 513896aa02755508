"""From scored rows to candidates in order: relevance, neighbours, floor, multipliers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import numpy as np

from memories.retrieval import multipliers
from memories.retrieval.candidates import Candidate, Scores
from memories.retrieval.query import Query
from memories.retrieval.relevance import (
    BM25_NOISE,
    COSINE_NOISE,
    Matches,
    Numbers,
    Places,
    Yardstick,
    beside,
    places,
    related,
    rescale,
    smooth,
)
from memories.retrieval.statements import MEMORY, PASSAGE, Row
from memories.retrieval.words import Words

RawRow = tuple[Any, ...]
"""The values of a `Row`. Hundreds are scored and few are returned, so only those become `Row`s."""

KIND, SESSION, TURN = (Row._fields.index(name) for name in ("kind", "session_id", "turn_index"))


def column(rows: Sequence[RawRow], name: str) -> list[Any]:
    """Return one value of each row."""
    index = Row._fields.index(name)
    return [row[index] for row in rows]


def numbers(rows: Sequence[RawRow], name: str) -> Numbers:
    """Return one number of each row; None becomes NaN."""
    return np.array(column(rows, name), dtype=np.float64)


@dataclass
class Pool:
    """Everything that was scored for one query, and the yardsticks that it gives.

    The yardsticks are those of the candidates; neighbours that are fetched afterwards are
    measured by them too, or their mere presence would change everybody's score.
    """

    query: Query
    words: Words
    rows: Sequence[RawRow]
    bm25: Yardstick = field(init=False)
    cosine: Yardstick = field(init=False)

    def __post_init__(self) -> None:
        self.bm25 = Yardstick.of(numbers(self.rows, "bm25"), BM25_NOISE)
        self.cosine = Yardstick.of(numbers(self.rows, "cosine"), COSINE_NOISE)

    def best_turns(self, count: int) -> list[tuple[str, int]]:
        """Return session and turn of the passages that are most relevant by themselves."""
        passages = [row for row in self.rows if row[KIND] == PASSAGE]
        z_bm25 = self.bm25.z(numbers(passages, "bm25"))
        relevance = z_bm25 + self.cosine.z(numbers(passages, "cosine"))
        order = np.argsort(-relevance, kind="stable")[:count]
        return [(passages[index][SESSION], passages[index][TURN]) for index in order]

    def rank(self, near: Sequence[RawRow]) -> "Ranking":
        """Rank the memories, and the passages whose text was fetched."""
        memories = [row for row in self.rows if row[KIND] == MEMORY]
        return Ranking(self, [*memories, *near], len(memories))


class Ranking:
    """Rows and their scores, one array a part, memories before passages."""

    def __init__(self, pool: Pool, rows: list[RawRow], memories: int) -> None:
        self.rows = rows
        self.bm25, self.cosine = numbers(rows, "bm25"), numbers(rows, "cosine")
        self.z_bm25, self.z_cosine = pool.bm25.z(self.bm25), pool.cosine.z(self.cosine)
        self.relevance = self.z_bm25 + self.z_cosine
        self.matches = self._match(pool.words)
        self.passes = related(self.cosine, self.matches, pool.words.hapax_idf)
        self.smoothed = self.relevance.copy()
        self._look_around(slice(memories, None))
        pinned = np.array(column(rows, "pinned"), dtype=bool)
        self._is_always_there = pinned & (not pool.query.overseen)
        self.passes |= self._is_always_there
        self._multiply(pool.query)
        order = np.argsort(-self.final, kind="stable")
        self.passed: list[int] = order[self.passes[order]].tolist()
        self.missed: list[int] = order[~self.passes[order]].tolist()

    def best(self, limit: int) -> list[int]:
        """Return the indices of the best that passed, and of pinned ones behind them, in order."""
        behind = (index for index in self.passed[limit:] if self._is_always_there[index])
        return [*self.passed[:limit], *behind]

    def candidates(self, indices: Sequence[int]) -> list[Candidate]:
        """Build the candidates at these indices."""
        parts = (
            *(self.bm25, self.cosine, self.matches.share, self.z_bm25, self.z_cosine),
            *(self.relevance, self.smoothed, self.recency, self.usefulness, self.confidence),
            self.final,
        )
        scores = np.stack(parts)[:, indices].T.tolist()
        rows = [Row._make(self.rows[index]) for index in indices]
        return [_candidate(row, _scores(*own)) for row, own in zip(rows, scores, strict=True)]

    def _match(self, words: Words) -> Matches:
        return words.matches(numbers(self.rows, "matched"), numbers(self.rows, "mass"))

    def _look_around(self, passages: slice) -> None:
        """Smooth the passages, and let those next to a hit pass the floor with it."""
        around = _places(self.rows[passages])
        relevance = self.relevance[passages]
        self.smoothed[passages] = rescale(smooth(around, relevance), like=relevance)
        self.passes[passages] = beside(around, self.passes[passages])

    def _multiply(self, query: Query) -> None:
        categories, dates = column(self.rows, "category"), column(self.rows, "at")
        self.recency = multipliers.recency(categories, dates, query.at)
        self.usefulness = multipliers.usefulness(numbers(self.rows, "usefulness"))
        self.confidence = multipliers.confidence(numbers(self.rows, "confidence"))
        product = self.recency * self.usefulness * self.confidence
        self.final = multipliers.positive(self.smoothed) * product


def _places(passages: Sequence[RawRow]) -> Places:
    return places([(row[SESSION], row[TURN]) for row in passages])


def _candidate(row: Row, scores: Scores) -> Candidate:
    is_passage = row.kind == PASSAGE
    return Candidate(
        id=UUID(row.id),
        kind="passage" if is_passage else "memory",
        content=row.content,
        at=row.at,
        created_at=row.created_at,
        scores=scores,
        category="" if is_passage else row.category,
        source=row.source,
        pinned=row.pinned,
        turns=tuple(UUID(turn) for turn in row.turns),
        session_id=UUID(row.session_id) if row.session_id else None,
        turn_index=row.turn_index if is_passage else None,
        part=row.part if is_passage else None,
        role=row.role,
    )


def _scores(bm25: float, cosine: float, *others: float) -> Scores:
    return Scores(bm25, None if math.isnan(cosine) else cosine, *others)
