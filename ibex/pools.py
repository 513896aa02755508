"""Pools of Postgres connections for the asyncio processes, which hand out none that has died."""

import select
from typing import Any

from psycopg import AsyncConnection, OperationalError
from psycopg_pool import AsyncConnectionPool

RECONNECT_S = 0.5
"""After so long without Postgres a pool rests until somebody asks, and then tries at once.

Psycopg's own tries come ever more rarely: after a second, two, four; Postgres is back sooner.
"""


class SurePool(AsyncConnectionPool[AsyncConnection[Any]]):
    """A pool that survives its server.

    psycopg's own finds out about a dead connection when a statement on it fails, so after a
    restart of Postgres each idle connection costs a request; and its `check` waits a second
    between two that failed. Here a look at the socket is enough: it costs no round trip, and all
    that died are put away at once.
    """

    async def getconn(self, timeout: float | None = None) -> AsyncConnection[Any]:  # noqa: ASYNC109 - as psycopg has it
        """Obtain a connection whose server has not closed it. Raises `PoolTimeout`."""
        while True:
            connection = await super().getconn(timeout)
            if not _has_ended(connection):
                return connection
            await connection.close()
            await self.putconn(connection)


def _has_ended(connection: AsyncConnection[Any]) -> bool:
    """Say whether there is something to read: on an idle connection that is its end."""
    try:
        socket = connection.fileno()
    except OperationalError:
        return True
    waiting = select.poll()
    waiting.register(socket, select.POLLIN)
    return bool(waiting.poll(0))
