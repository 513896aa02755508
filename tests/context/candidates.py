"""Candidates as retrieval returns them, without a database, and strategies that make many."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from ibex.ids import uuid7
from memories.retrieval import Candidate, Scores

DAY = datetime(2026, 3, 4, 12, tzinfo=UTC)


def scores(final: float, cosine: float) -> Scores:
    """Return scores of which only these two matter."""
    return Scores(1.0, cosine, 0.5, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, final)


def memory(
    content: str = "The user drinks tea.",
    score: float = 0.5,
    cosine: float = 0.5,
    **fields: Any,
) -> Candidate:
    """Return a memory."""
    defaults: dict[str, Any] = {"id": uuid7(), "category": "factual", "at": DAY, "created_at": DAY}
    parts = scores(score, cosine)
    return Candidate(kind="memory", content=content, scores=parts, **defaults | fields)


def passage(
    content: str = "I drink tea.", score: float = 0.5, cosine: float = 0.5, **fields: Any
) -> Candidate:
    """Return a passage."""
    defaults: dict[str, Any] = {"id": uuid7(), "role": "user", "at": DAY, "created_at": DAY}
    parts = scores(score, cosine)
    return Candidate(kind="passage", content=content, scores=parts, **defaults | fields)


TURNS = st.integers(0, 5).map(lambda number: (UUID(int=number),))
CONTENTS = st.integers(0, 400).map(lambda words: "word " * words + "end")
FINAL_SCORES = st.floats(0.001, 1.3, allow_nan=False)

MEMORIES = st.builds(
    memory, content=CONTENTS, score=FINAL_SCORES, turns=TURNS, pinned=st.integers(0, 9).map(bool)
)
PASSAGES = st.builds(passage, content=CONTENTS, score=FINAL_SCORES, turns=TURNS)


def best_first(candidates: list[Candidate]) -> list[Candidate]:
    """Order candidates as retrieval does."""
    return sorted(candidates, key=lambda candidate: -candidate.score)


CANDIDATES = st.lists(MEMORIES | PASSAGES, max_size=40).map(best_first)
