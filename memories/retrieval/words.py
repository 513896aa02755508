"""The words of a query as the agent's corpus knows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from memories.retrieval.relevance import Matches, Numbers

MAX_SCORED_TERMS = 32
"""A long message is judged by its rarest words that the corpus knows."""


@dataclass(frozen=True, slots=True)
class Words:
    """The terms that are scored, how rare each is, and what BM25 needs besides.

    `hapax_idf` is the idf of a term that one item holds: the rarest match there is. Terms that
    nobody holds weigh no more, or they would decide about everything in a small corpus.
    """

    terms: list[str]
    idfs: list[float]
    mean_length: float
    hapax_idf: float

    @classmethod
    def of(cls, rows: Sequence[tuple[Any, ...]]) -> "Words":
        """Choose among (term, documents, idf, idf of a hapax, mean length): known, rarest first."""
        if not rows:
            return cls([], [], 1.0, 0.0)
        rarest = sorted(rows, key=lambda row: (row[1] == 0, row[1], row[0]))[:MAX_SCORED_TERMS]
        terms = [term for term, *_ in rarest]
        *_, hapax_idf, mean_length = rows[0]
        idfs = [min(idf, hapax_idf) for _term, _documents, idf, *_ in rarest]
        return cls(terms, idfs, mean_length, hapax_idf)

    def parameters(self) -> dict[str, Any]:
        """Return what the scoring statements take."""
        return {
            "terms": array_literal(self.terms),
            "idfs": array_literal([repr(idf) for idf in self.idfs]),
            "mean_length": self.mean_length,
        }

    def matches(self, terms: Numbers, mass: Numbers) -> Matches:
        """Put what rows match in relation to the whole query."""
        return Matches(terms, mass, mass / (sum(self.idfs) or 1.0))


def array_literal(values: Sequence[str]) -> str:
    """Write an array as Postgres reads it; psycopg takes ten times as long to.

    For terms, numbers and ids: none holds a quote or a backslash.
    """
    return '{"' + '","'.join(values) + '"}' if values else "{}"
