"""What is found."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from memories.retrieval.query import Kind
from memories.retrieval.tokens import estimate_tokens


@dataclass(frozen=True, slots=True)
class Scores:
    """Every part of a candidate's score, in the order in which they build on each other.

    `cosine` is None when the row or the query has no vector. `share` is how much of the query's
    idf mass the candidate's words match. `relevance` is the sum of both z-scores, `smoothed` what
    neighbouring turns make of it, `final` the score relative to the best candidate, times the
    three multipliers.
    """

    bm25: float
    cosine: float | None
    share: float
    z_bm25: float
    z_cosine: float
    relevance: float
    smoothed: float
    recency: float
    usefulness: float
    confidence: float
    final: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """A memory, or a passage of a recorded turn, with its score.

    `at` is when it was observed or said. `role` and `turn_index` belong to passages, `category`,
    `source` and `pinned` to memories; `turns` are the turns it came from.
    """

    id: UUID
    kind: Kind
    content: str
    at: datetime
    created_at: datetime
    scores: Scores
    category: str = ""
    source: str = ""
    pinned: bool = False
    turns: tuple[UUID, ...] = ()
    session_id: UUID | None = None
    turn_index: int | None = None
    part: int | None = None
    role: str = ""

    @property
    def score(self) -> float:
        """The final score; higher is better."""
        return self.scores.final

    @property
    def tokens(self) -> int:
        """The estimated tokens of the content alone."""
        return estimate_tokens(self.content)


@dataclass(frozen=True, slots=True)
class Retrieval:
    """The answer to a query.

    `candidates` passed the floor, best first; `missed` are the best of those that did not.
    `level` is L0, or L1 when there was no vector to compare. `pool` counts everything scored.
    Timings are in milliseconds.
    """

    candidates: list[Candidate]
    missed: list[Candidate]
    level: str
    pool: int
    timings: dict[str, float] = field(default_factory=dict)
