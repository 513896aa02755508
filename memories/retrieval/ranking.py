"""From scored rows to candidates in order: relevance, neighbours, floor, multipliers."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from memories.retrieval import multipliers
from memories.retrieval.candidates import Candidate, Scores
from memories.retrieval.query import Query
from memories.retrieval.relevance import (
    BM25_NOISE,
    COSINE_NOISE,
    Numbers,
    Place,
    Yardstick,
    beside,
    related,
    rescale,
    smooth,
)
from memories.retrieval.statements import MEMORY, PASSAGE, Row
from memories.retrieval.words import Words


@dataclass
class Pool:
    """Everything that was scored for one query, and the yardsticks that it gives.

    The yardsticks are those of the candidates; neighbours that are fetched afterwards are
    measured by them too, or their mere presence would change everybody's score.
    """

    query: Query
    words: Words
    rows: list[Row]
    bm25: Yardstick = field(init=False)
    cosine: Yardstick = field(init=False)

    def __post_init__(self) -> None:
        self.bm25 = Yardstick.of(_bm25(self.rows), BM25_NOISE)
        self.cosine = Yardstick.of(_cosine(self.rows), COSINE_NOISE)

    def relevance(self, rows: Sequence[Row]) -> Numbers:
        """Return z(BM25) + z(cosine) of each row."""
        return self.bm25.z(_bm25(rows)) + self.cosine.z(_cosine(rows))

    def best_passages(self, count: int) -> list[Row]:
        """Return the passages that are most relevant by themselves."""
        passages = [row for row in self.rows if row.kind == PASSAGE]
        order = np.argsort(-self.relevance(passages), kind="stable")
        return [passages[index] for index in order[:count]]

    def rank(self, near: list[Row]) -> "Ranking":
        """Rank the memories, and the passages whose text was fetched."""
        memories = [row for row in self.rows if row.kind == MEMORY]
        return Ranking(self, [*memories, *near], len(memories))


class Ranking:
    """Rows and their scores, one array a part, memories before passages."""

    def __init__(self, pool: Pool, rows: list[Row], memories: int) -> None:
        self.rows = rows
        self.bm25, self.cosine = _bm25(rows), _cosine(rows)
        self.z_bm25, self.z_cosine = pool.bm25.z(self.bm25), pool.cosine.z(self.cosine)
        self.relevance = self.z_bm25 + self.z_cosine
        self.words = pool.words.matches(
            terms=np.array([row.matched for row in rows], dtype=np.float64),
            mass=np.array([row.mass for row in rows], dtype=np.float64),
        )
        self.passes = related(self.cosine, self.words, pool.words.hapax_idf)
        self.smoothed = self.relevance.copy()
        self._look_around(slice(memories, None))
        self._multiply(pool.query)
        order = np.argsort(-self.final, kind="stable").tolist()
        self.passed = [index for index in order if self.passes[index]]
        self.missed = [index for index in order if not self.passes[index]]

    def candidates(self, indices: Sequence[int]) -> list[Candidate]:
        """Build the candidates at these indices."""
        return [self._candidate(index) for index in indices]

    def _look_around(self, passages: slice) -> None:
        """Smooth the passages, and let those next to a hit pass the floor with it."""
        places = _places(self.rows[passages])
        relevance = self.relevance[passages]
        self.smoothed[passages] = rescale(smooth(places, relevance), like=relevance)
        self.passes[passages] = beside(places, self.passes[passages])
        self.passes |= np.array([row.pinned for row in self.rows], dtype=bool)

    def _multiply(self, query: Query) -> None:
        dates = [row.at for row in self.rows]
        self.recency = multipliers.recency([row.category for row in self.rows], dates, query.at)
        self.usefulness = multipliers.usefulness(np.array([row.usefulness for row in self.rows]))
        self.confidence = multipliers.confidence(np.array([row.confidence for row in self.rows]))
        product = self.recency * self.usefulness * self.confidence
        self.final = multipliers.positive(self.smoothed) * product

    def _candidate(self, index: int) -> Candidate:
        row = self.rows[index]
        is_passage = row.kind == PASSAGE
        return Candidate(
            id=row.id,
            kind="passage" if is_passage else "memory",
            content=row.content,
            at=row.at,
            created_at=row.created_at,
            scores=self._scores(index),
            category="" if is_passage else row.category,
            source=row.source,
            pinned=row.pinned,
            turns=tuple(row.turns),
            session_id=row.session_id,
            turn_index=row.turn_index if is_passage else None,
            part=row.part if is_passage else None,
            role=row.role,
        )

    def _scores(self, index: int) -> Scores:
        return Scores(
            bm25=float(self.bm25[index]),
            cosine=None if np.isnan(self.cosine[index]) else float(self.cosine[index]),
            share=float(self.words.share[index]),
            z_bm25=float(self.z_bm25[index]),
            z_cosine=float(self.z_cosine[index]),
            relevance=float(self.relevance[index]),
            smoothed=float(self.smoothed[index]),
            recency=float(self.recency[index]),
            usefulness=float(self.usefulness[index]),
            confidence=float(self.confidence[index]),
            final=float(self.final[index]),
        )


def _bm25(rows: Sequence[Row]) -> Numbers:
    return np.array([row.bm25 for row in rows], dtype=np.float64)


def _cosine(rows: Sequence[Row]) -> Numbers:
    """Collect cosines; None becomes NaN."""
    return np.array([row.cosine for row in rows], dtype=np.float64)


def _places(passages: Sequence[Row]) -> list[Place]:
    numbers = {row.session_id: number for number, row in enumerate(passages)}
    return [(numbers[row.session_id], row.turn_index) for row in passages]
