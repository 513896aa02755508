"""From scored rows to candidates in order: relevance, neighbours, floor, multipliers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from memories.retrieval import multipliers
from memories.retrieval.candidates import Candidate, Scores
from memories.retrieval.query import Query
from memories.retrieval.relevance import Place, Yardstick, beside, is_related, rescale, smooth
from memories.retrieval.statements import MemoryRow, PassageRow
from memories.retrieval.words import Words

Row = MemoryRow | PassageRow


@dataclass
class Pool:
    """Everything that was scored for one query, and what it is measured by.

    The yardsticks are those of the candidates; neighbours that are fetched afterwards are
    measured by them too, or their mere presence would change everybody's score.
    """

    query: Query
    words: Words
    memories: list[MemoryRow]
    passages: dict[UUID, PassageRow]
    bm25: Yardstick = field(init=False)
    cosine: Yardstick = field(init=False)

    def __post_init__(self) -> None:
        rows: list[Row] = [*self.memories, *self.passages.values()]
        self.bm25 = Yardstick.of([row.bm25 for row in rows])
        self.cosine = Yardstick.of([row.cosine for row in rows if row.cosine is not None])

    def relevance(self, row: Row) -> float:
        """Return z(BM25) + z(cosine)."""
        return self.bm25.z(row.bm25) + self.cosine.z(row.cosine)

    def best_passages(self, count: int) -> list[PassageRow]:
        """Return the passages that are most relevant by themselves."""
        ordered = sorted(self.passages.values(), key=lambda p: (-self.relevance(p), p.id))
        return ordered[:count]

    def is_related(self, row: Row) -> bool:
        """Say whether a row reaches the floor by itself."""
        share = self.words.share(row.mass)
        return is_related(row.cosine, share, row.mass, self.words.hapax_idf)

    def rank(self, near: list[PassageRow]) -> tuple[list[Candidate], list[Candidate]]:
        """Return the candidates that pass the floor and those that do not, each best first.

        `near` are the passages that may be returned: those whose text was fetched.
        """
        known = self.passages | {row.id: row for row in near}
        smoothed = self._smooth(list(known.values())) | {
            row.id: self.relevance(row) for row in self.memories
        }
        related = beside({_place(row) for row in known.values() if self.is_related(row)})
        best = max(smoothed.values(), default=0.0)
        judged = [
            (row.pinned or self.is_related(row), _memory(row, self._scores(row, smoothed, best)))
            for row in self.memories
        ]
        judged += [
            (_place(row) in related, _passage(row, self._scores(row, smoothed, best)))
            for row in near
        ]
        return (
            _best_first([candidate for passes, candidate in judged if passes]),
            _best_first([candidate for passes, candidate in judged if not passes]),
        )

    def _smooth(self, rows: list[PassageRow]) -> dict[UUID, float]:
        relevance = [self.relevance(row) for row in rows]
        values = rescale(smooth([_place(row) for row in rows], relevance), like=relevance)
        return dict(zip([row.id for row in rows], values, strict=True))

    def _scores(self, row: Row, smoothed: Mapping[UUID, float], best: float) -> Scores:
        recency, usefulness, confidence = self._multipliers(row)
        positive = multipliers.positive(smoothed[row.id], best)
        return Scores(
            bm25=row.bm25,
            cosine=row.cosine,
            share=self.words.share(row.mass),
            z_bm25=self.bm25.z(row.bm25),
            z_cosine=self.cosine.z(row.cosine),
            relevance=self.relevance(row),
            smoothed=smoothed[row.id],
            recency=recency,
            usefulness=usefulness,
            confidence=confidence,
            final=positive * recency * usefulness * confidence,
        )

    def _multipliers(self, row: Row) -> tuple[float, float, float]:
        at = self.query.at
        if isinstance(row, PassageRow):
            return multipliers.recency(multipliers.PASSAGE_CATEGORY, row.said_at, at), 1.0, 1.0
        return (
            multipliers.recency(row.category, row.observed_at, at),
            multipliers.usefulness(row.usefulness),
            multipliers.confidence(row.confidence),
        )


def _place(row: PassageRow) -> Place:
    return Place(row.session_id, row.turn_index)


def _best_first(candidates: list[Candidate]) -> list[Candidate]:
    return sorted(candidates, key=lambda candidate: (-candidate.score, candidate.id))


def _memory(row: MemoryRow, scores: Scores) -> Candidate:
    return Candidate(
        id=row.id,
        kind="memory",
        content=row.content,
        at=row.observed_at,
        created_at=row.created_at,
        scores=scores,
        category=row.category,
        source=row.source,
        pinned=row.pinned,
        turns=tuple(row.source_turns),
    )


def _passage(row: PassageRow, scores: Scores) -> Candidate:
    return Candidate(
        id=row.id,
        kind="passage",
        content=row.text,
        at=row.said_at,
        created_at=row.created_at,
        scores=scores,
        turns=(row.turn_id,),
        session_id=row.session_id,
        turn_index=row.turn_index,
        part=row.part,
        role=row.role,
    )
