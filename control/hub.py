"""One process's ear on Postgres: hears of each commit, and tells every socket of this process.

A notification is a hint: what changed is read from the table, in order. The table is also read
once a second, so a lost hint costs a second, and every socket hears the revision that often.
While Postgres is away nothing is said at all: proxies take silence for a reason to trust no cache.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from control import store
from control.store import Change
from ibex.env import env

if TYPE_CHECKING:
    from datetime import datetime

log = structlog.get_logger(__name__)

BEAT_S = 1.0
AGAIN_S = 0.5
BATCH = 500
"""Changes that one message round repeats; who missed more starts anew."""
QUEUE = 1000
"""Messages that may wait for one slow socket before it is cut."""
AWAY = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, TimeoutError, OSError)

Message = dict[str, Any]


class Overrun(Exception):
    """A socket did not take its messages in time."""


class Listener:
    """The messages for one proxy, in order."""

    def __init__(self) -> None:
        self.proxy_id: UUID | None = None
        self.overrun = False
        self._queue: asyncio.Queue[Message] = asyncio.Queue(QUEUE)

    def put(self, message: Message) -> None:
        """Queue a message; one too many marks the listener as lost."""
        try:
            self._queue.put_nowait(message)
        except asyncio.QueueFull:
            self.overrun = True

    async def messages(self) -> AsyncIterator[Message]:
        """Yield messages as they come. Raises `Overrun` when some were lost."""
        while not self.overrun:
            yield await self._queue.get()
        raise Overrun


class Hub:
    """All listeners of this process, and the connections they share."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._listeners: set[Listener] = set()
        self._task: asyncio.Task[None] | None = None
        self._revision: int | None = None
        self._pool: AsyncConnectionPool[AsyncConnection] = AsyncConnectionPool(
            database_url,
            min_size=0,
            max_size=4,
            open=False,
            timeout=2.0,
            kwargs={"autocommit": True, "connect_timeout": 3},
        )

    async def join(self) -> Listener:
        """Add a listener; the first one starts the hub."""
        listener = Listener()
        self._listeners.add(listener)
        if self._task is None or self._task.done():
            await self._pool.open(wait=False)
            self._task = asyncio.create_task(self._run())
        return listener

    def leave(self, listener: Listener) -> None:
        """Forget a listener."""
        self._listeners.discard(listener)

    async def connected(
        self, listener: Listener, proxy_id: UUID, name: str
    ) -> "tuple[int, datetime]":
        """Note a proxy as connected; return the revision it starts from, and since when."""
        async with self._pool.connection() as connection:
            revision = await store.read_revision(connection)
            values = {"id": proxy_id, "name": name, "rev": revision}
            row = await (await connection.execute(store.CONNECTED, values)).fetchone()
        listener.proxy_id = proxy_id
        if row is None:
            raise LookupError(proxy_id)
        return revision, row[0]

    async def left(self, proxy_id: UUID, since: "datetime") -> None:
        """Note that a proxy is gone, unless it has connected anew meanwhile."""
        with contextlib.suppress(*AWAY):
            async with self._pool.connection() as connection:
                await connection.execute(store.LEFT, [proxy_id, since])

    async def acknowledge(self, proxy_id: UUID, revision: int) -> None:
        """Note the revision that a proxy runs."""
        async with self._pool.connection() as connection:
            await connection.execute(store.ACKNOWLEDGE, [proxy_id, revision])

    async def since(self, revision: int) -> list[Message]:
        """Return the changes after a revision, or a reset when they are too many or gone."""
        async with self._pool.connection() as connection:
            latest = await store.read_revision(connection)
            changes = await store.read_since(connection, revision, BATCH)
        missed = latest - revision
        if changes is None or not len(changes) >= missed >= 0:
            return [{"type": "reset", "revision": latest}]
        return [_change(change) for change in changes]

    async def _run(self) -> None:
        while True:
            try:
                await self._listen()
            except AWAY as error:
                log.warning("control.postgres_away", error=type(error).__name__)
                self._revision = None
            await asyncio.sleep(AGAIN_S)

    async def _listen(self) -> None:
        connection = await AsyncConnection.connect(self._url, autocommit=True, connect_timeout=3)
        async with connection:
            await connection.execute(store.LISTEN)
            while True:
                await self._tell(connection)
                async for _hint in connection.notifies(timeout=BEAT_S, stop_after=1):
                    pass

    async def _tell(self, connection: AsyncConnection) -> None:
        """Send what is new since the last time, or else the revision alone."""
        async with asyncio.timeout(BEAT_S):
            changes = await self._news(connection)
            proxies = [one.proxy_id for one in self._listeners if one.proxy_id]
            if not changes and proxies:
                await connection.execute(store.SEEN, [proxies])
        beat = {"type": "revision", "revision": self._revision}
        for message in [_change(change) for change in changes] or [beat]:
            for listener in self._listeners:
                listener.put(message)

    async def _news(self, connection: AsyncConnection) -> list[Change]:
        latest = await store.read_revision(connection)
        known, self._revision = self._revision, latest
        if known is None or latest <= known:
            return []
        changes = await store.read_since(connection, known, BATCH)
        if changes is None or not changes or changes[-1].rev < latest:
            return []  # the revision alone shows each proxy its gap, and it asks
        self._revision = changes[-1].rev
        return changes


def _change(change: Change) -> Message:
    return {
        "type": "change",
        "revision": change.rev,
        "org": str(change.org_id),
        "kind": change.kind,
        "target": str(change.target_id),
    }


_hubs: dict[int, Hub] = {}


def hub() -> Hub:
    """Return the hub of the running event loop."""
    loop = id(asyncio.get_running_loop())
    if loop not in _hubs:
        _hubs[loop] = Hub(env.str("IBEX_DATABASE_URL"))
    return _hubs[loop]
