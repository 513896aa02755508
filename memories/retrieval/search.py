"""The search itself, without any input or output: statements out, rows in.

Two or three round trips: what words find (while the embedder still works on the vector), then all
memories and passages scored, then the turns around the best passages with their text.
"""

import time
from collections.abc import Generator
from typing import Any, NamedTuple

from memories.retrieval import statements
from memories.retrieval.candidates import Retrieval
from memories.retrieval.query import Query, Vector
from memories.retrieval.ranking import Pool
from memories.retrieval.statements import MEMORY, PASSAGE, Row, Statement
from memories.retrieval.words import Words, array_literal
from memories.terms import count_terms

BEST_PASSAGES = 20
"""Passages whose neighbourhood is fetched; more moves nothing on LoCoMo (ADR 0040)."""
MISSED = 10
"""How many of those below the floor are reported."""

Rows = list[tuple[Any, ...]]


class Reply(NamedTuple):
    """The rows of a statement, and the query's vector, if there is one by now."""

    rows: Rows
    vector: Vector | None


Search = Generator[Statement, Reply, Retrieval]


def search(query: Query) -> Search:
    """Find what matters. Yields statements, one a round trip."""
    clock = _Clock()
    terms = array_literal(count_terms(query.text))
    parameters = statements.scope_parameters(query, terms)
    found = yield statements.found(query, parameters)
    clock.lap("words")
    words = Words.of([row[2:] for row in found.rows if row[0] is None])
    parameters |= words.parameters() | _ids(found.rows) | {"vector": _literal(found.vector)}
    scored = yield statements.scored(query, parameters)
    clock.lap("scoring")
    pool = Pool(query, words, [Row._make(row) for row in scored.rows])
    near: list[Row] = []
    if best := pool.best_passages(BEST_PASSAGES):
        reply = yield statements.neighbourhood(query, parameters | _turns(best))
        near = [Row._make(row) for row in reply.rows]
        clock.lap("neighbours")
    ranking = pool.rank(near)
    candidates = ranking.candidates(ranking.passed[: query.limit])
    missed = ranking.candidates(ranking.missed[:MISSED])
    clock.lap("ranking")
    level = "L1" if found.vector is None else "L0"
    return Retrieval(candidates, missed, level, len(pool.rows), clock.laps)


def _ids(rows: Rows) -> dict[str, str]:
    """Return the ids of found items by kind, as array literals."""
    items = [(row[1], str(row[0])) for row in rows if row[0] is not None]
    return {
        "memories": array_literal(item for kind, item in items if kind == MEMORY),
        "passages": array_literal(item for kind, item in items if kind == PASSAGE),
    }


def _turns(passages: list[Row]) -> dict[str, str]:
    """Return where passages stand, as two array literals."""
    return {
        "sessions": array_literal(str(row.session_id) for row in passages),
        "turns": array_literal(str(row.turn_index) for row in passages),
    }


def _literal(vector: Vector | None) -> str | None:
    """Write a vector as pgvector reads it; five digits are more than half precision keeps."""
    if vector is None:
        return None
    return "[" + ",".join(f"{number:.5g}" for number in vector.tolist()) + "]"


class _Clock:
    """Measures laps in milliseconds."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._at = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[f"{name}_ms"] = round((now - self._at) * 1000, 3)
        self._at = now
