"""Two ways to carry a search's statements to Postgres."""

from collections.abc import Awaitable
from typing import Any, Protocol

import psycopg

from memories.retrieval.candidates import Retrieval
from memories.retrieval.query import Query, Vector
from memories.retrieval.search import Reply, search

CONNECTION_OPTIONS = (
    "-c plan_cache_mode=force_custom_plan"
    " -c hnsw.ef_search=100 -c hnsw.iterative_scan=relaxed_order"
)
"""What every connection that searches needs: without them a search takes 70 ms, or misses rows."""

ENTER_TENANT = "SELECT set_config('ibex.org_id', %(org)s, true)"


class Cursor(Protocol):
    """What is asked of a cursor; Django's and psycopg's both do."""

    def execute(self, sql: str, params: Any = None, /) -> Any:
        """Run one statement."""

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return the rows of the last statement."""


def retrieve_sync(cursor: Cursor, query: Query) -> Retrieval:
    """Search with a synchronous cursor, inside an open `tenant(query.org_id)`."""
    steps = search(query)
    statement = next(steps)
    while True:
        cursor.execute(statement.sql, statement.parameters)
        try:
            statement = steps.send(Reply(cursor.fetchall(), query.vector))
        except StopIteration as done:
            return _result(done)


async def retrieve_async(
    connection: psycopg.AsyncConnection[Any],
    query: Query,
    embedding: Awaitable[Vector | None] | None = None,
) -> Retrieval:
    """Search in a transaction of its own, on a connection in autocommit mode.

    Opening the transaction and its tenant costs no round trip of its own. `embedding` is awaited
    only when words have been searched; its result, or else `query.vector`, is what meaning is
    compared with. It must not raise.
    """
    steps = search(query)
    statement = next(steps)
    vector = query.vector
    try:
        async with connection.pipeline():
            await connection.execute("BEGIN")
            await connection.execute(ENTER_TENANT, {"org": str(query.org_id)})
            cursor = await connection.execute(statement.sql, statement.parameters)
        while True:
            rows = await cursor.fetchall()
            if embedding is not None:
                vector, embedding = await embedding, None
            try:
                statement = steps.send(Reply(rows, vector))
            except StopIteration as done:
                await connection.commit()  # psycopg forgets prepared statements at a rollback
                return _result(done)
            cursor = await connection.execute(statement.sql, statement.parameters)
    except BaseException:
        await connection.rollback()
        raise


def _result(done: StopIteration) -> Retrieval:
    result: Retrieval = done.value
    return result
