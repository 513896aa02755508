"""The search itself, without any input or output: statements out, rows in.

Two or three round trips: what words find (while the embedder still works on the vector), then all
memories and passages scored, then the turns around the best passages with their text.
"""

import time
from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np
import orjson

from memories.indexing.terms import count_terms
from memories.retrieval import statements
from memories.retrieval.candidates import Retrieval
from memories.retrieval.query import Query, Vector
from memories.retrieval.ranking import Pool
from memories.retrieval.statements import MEMORY, PASSAGE, Statement
from memories.retrieval.words import Words, array_literal

BEST_PASSAGES = 20
"""Passages whose neighbourhood is fetched; more moves nothing on LoCoMo (ADR 0040)."""
END_CHARACTERS = 2_000
"""Of a long message its beginning and end are searched for: what is asked stands at one of them."""

Rows = list[tuple[Any, ...]]


class Reply(NamedTuple):
    """The rows of a statement, and the query's vector, if there is one by now."""

    rows: Rows
    vector: Vector | None


Search = Generator[Statement, Reply, Retrieval]


def search(query: Query) -> Search:
    """Find what matters. Yields statements, one a round trip."""
    clock = _Clock()
    terms = array_literal(_asked_terms(query.text))
    parameters = statements.scope_parameters(query, terms)
    found = yield statements.found(query, parameters)
    clock.lap("words")
    words = Words.of([row[2:] for row in found.rows if row[0] is None])
    parameters |= words.parameters() | _ids(found.rows) | {"vector": _literal(found.vector)}
    scored = yield statements.scored(query, parameters)
    clock.lap("scoring")
    pool = Pool(query, words, scored.rows)
    near: Rows = []
    if best := pool.best_turns(BEST_PASSAGES):
        near = (yield statements.neighbourhood(query, parameters | _turns(best))).rows
        clock.lap("neighbours")
    ranking = pool.rank(near)
    candidates = ranking.candidates(ranking.best(query.limit))
    missed = ranking.candidates(ranking.missed[: query.missed])
    clock.lap("ranking")
    level = "L1" if found.vector is None else "L0"
    return Retrieval(candidates, missed, level, len(pool.rows), clock.laps)


def _asked_terms(text: str) -> list[str]:
    if len(text) <= 2 * END_CHARACTERS:
        return list(count_terms(text))
    return list(count_terms(text[-END_CHARACTERS:]) | count_terms(text[:END_CHARACTERS]))


def _ids(rows: Rows) -> dict[str, str]:
    """Return the ids of found items by kind, as array literals."""
    memories = [row[0] for row in rows if row[1] == MEMORY]
    passages = [row[0] for row in rows if row[1] == PASSAGE]
    return {"memories": array_literal(memories), "passages": array_literal(passages)}


def _turns(turns: list[tuple[str, int]]) -> dict[str, str]:
    """Return sessions and turns as two array literals."""
    return {
        "sessions": array_literal([session for session, _turn in turns]),
        "turns": array_literal([str(turn) for _session, turn in turns]),
    }


def _literal(vector: Vector | None) -> str | None:
    """Write a vector as pgvector reads it, which is as JSON does."""
    if vector is None:
        return None
    return orjson.dumps(np.ascontiguousarray(vector), option=orjson.OPT_SERIALIZE_NUMPY).decode()


class _Clock:
    """Measures laps in milliseconds."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._at = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[f"{name}_ms"] = round((now - self._at) * 1000, 3)
        self._at = now
