"""The search itself, without any input or output: batches of statements out, rows in.

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
from memories.retrieval.statements import (
    MEMORY_KIND,
    PASSAGE_KIND,
    MemoryRow,
    PassageRow,
    Statement,
)
from memories.retrieval.words import Words
from memories.terms import count_terms

BEST_PASSAGES = 30
"""Passages whose neighbourhood is fetched; more moves nothing on LoCoMo (ADR 0040)."""
MISSED = 10
"""How many of those below the floor are reported."""

Rows = list[tuple[Any, ...]]


class Reply(NamedTuple):
    """The rows of each statement of a batch, and the query's vector, if there is one by now."""

    rows: list[Rows]
    vector: Vector | None


Search = Generator[list[Statement], Reply, Retrieval]


def search(query: Query) -> Search:
    """Find what matters. Yields lists of statements, each list one round trip."""
    clock = _Clock()
    parameters = statements.scope_parameters(query, list(count_terms(query.text)))
    found = yield [
        statements.asked_terms(parameters),
        statements.text_matches(query, parameters),
        statements.always(query, parameters),
    ]
    clock.lap("words")
    words = Words.of(found.rows[0])
    parameters |= words.parameters() | {"vector": _literal(found.vector)}
    scored = yield _scoring(query, parameters, found)
    clock.lap("scoring")
    pool = _pool(query, words, scored)
    near: list[PassageRow] = []
    if best := pool.best_passages(BEST_PASSAGES):
        around = {"sessions": [p.session_id for p in best], "turns": [p.turn_index for p in best]}
        reply = yield [statements.neighbourhood(query, parameters | around)]
        near = [PassageRow._make(row) for row in reply.rows[0]]
        clock.lap("neighbours")
    passed, missed = pool.rank(near)
    clock.lap("ranking")
    return Retrieval(
        candidates=passed[: query.limit],
        missed=missed[:MISSED],
        level="L1" if found.vector is None else "L0",
        pool=len(pool.memories) + len(pool.passages | {row.id: row for row in near}),
        timings=clock.laps,
    )


def _scoring(query: Query, parameters: dict[str, Any], found: Reply) -> list[Statement]:
    _terms, matches, always = found.rows
    memories = [item for item, kind in matches if kind == MEMORY_KIND] + [row[0] for row in always]
    passages = [item for item, kind in matches if kind == PASSAGE_KIND]
    batch = []
    if "memory" in query.kinds:
        batch.append(statements.memories(query, parameters | {"ids": memories}))
    if "passage" in query.kinds:
        batch.append(statements.passages(query, parameters | {"ids": passages}))
    return batch


def _pool(query: Query, words: Words, scored: Reply) -> Pool:
    rows = iter(scored.rows)
    memories = next(rows) if "memory" in query.kinds else []
    passages = next(rows) if "passage" in query.kinds else []
    return Pool(
        query,
        words,
        [MemoryRow._make(row) for row in memories],
        {row[0]: PassageRow._make(row) for row in passages},
    )


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
