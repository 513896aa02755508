"""The words of a query as the agent's corpus knows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MAX_SCORED_TERMS = 32
"""A long message is judged by its rarest words that the corpus knows."""


@dataclass(frozen=True, slots=True)
class Words:
    """The terms that are scored, how rare each is, and what BM25 needs besides.

    `hapax_idf` is the idf of a term that occurs in one item only: the rarest match there is.
    """

    terms: list[str]
    idfs: list[float]
    mean_length: float
    hapax_idf: float

    @classmethod
    def of(cls, rows: Sequence[tuple[Any, ...]]) -> "Words":
        """Choose among the rows of `statements.asked_terms`: known terms first, rarest first."""
        if not rows:
            return cls([], [], 1.0, 0.0)
        rarest = sorted(rows, key=lambda row: (row[1] == 0, row[1], row[0]))[:MAX_SCORED_TERMS]
        terms = [term for term, *_ in rarest]
        idfs = [idf for _term, _documents, idf, *_ in rarest]
        *_, hapax_idf, mean_length = rows[0]
        return cls(terms, idfs, mean_length, hapax_idf)

    def parameters(self) -> dict[str, Any]:
        """Return what the scoring statements take."""
        return {"terms": self.terms, "idfs": self.idfs, "mean_length": self.mean_length}

    def share(self, mass: float) -> float:
        """Return which part of the query's idf mass a matched mass is."""
        total = sum(self.idfs)
        return mass / total if total else 0.0
