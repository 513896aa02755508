"""Makes turns durable in groups: many turns, one transaction, one commit (ADR 0045).

While one group commits, the next one gathers, so a lone turn waits for nothing and a busy proxy
commits many at once. If Postgres is away, turns go to the spool and are replayed in order.
"""

import asyncio
import contextlib
import time
from datetime import timedelta
from uuid import UUID

import orjson
import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from proxy import metrics
from proxy.spool import Spool
from proxy.store import RECORD
from proxy.turns import CallRecord

log = structlog.get_logger(__name__)

MAX_GROUP = 256
COMMIT_TIMEOUT_S = 5.0
REPLAY_EVERY_S = 0.5
DEADLOCK_TRIES = 3

AWAY = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, TimeoutError, OSError)


class Recorder:
    """Takes call records and returns when each is durable."""

    def __init__(
        self, pool: AsyncConnectionPool[AsyncConnection], spool: Spool, *, idle_after_s: int
    ) -> None:
        self._pool = pool
        self._spool = spool
        self._idle = timedelta(seconds=idle_after_s)
        self._waiting: list[tuple[CallRecord, asyncio.Future[None]]] = []
        self._wake = asyncio.Event()
        self._spooling = False
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Adopt what dead processes left, and begin to take records."""
        adopted = await asyncio.to_thread(self._spool.adopt)
        self._spooling = bool(adopted)
        if adopted:
            log.info("recorder.adopted", turns=len(adopted))
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Write what waits, then stop."""
        self._closing = True
        self._wake.set()
        if self._task:
            await self._task
        await asyncio.to_thread(self._spool.close)

    @property
    def spooling(self) -> bool:
        """Whether turns wait on disk for Postgres to come back."""
        return self._spooling

    async def record(self, record: CallRecord) -> None:
        """Return when the record is in Postgres or, if that is away, fsynced in the spool."""
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((record, durable))
        self._wake.set()
        await durable

    async def checkpoint(self, record: CallRecord) -> None:
        """Keep a long stream's state on disk, so that a crash leaves the part that was said."""
        await asyncio.to_thread(self._spool.checkpoint, record)

    async def forget_checkpoint(self, turn_id: UUID) -> None:
        """Drop the checkpoint of a stream that is recorded."""
        await asyncio.to_thread(self._spool.forget_checkpoint, turn_id)

    async def _run(self) -> None:
        while not (self._closing and not self._waiting):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), REPLAY_EVERY_S)
            self._wake.clear()
            if self._spooling:
                await self._replay()
            while self._waiting:
                group, self._waiting = self._waiting[:MAX_GROUP], self._waiting[MAX_GROUP:]
                await self._settle(group)

    async def _settle(self, group: list[tuple[CallRecord, asyncio.Future[None]]]) -> None:
        failure: Exception | None = None
        try:
            await self._make_durable([record for record, _ in group])
        except Exception as error:  # the loop must live on; each waiting request is told
            log.exception("recorder.failed")
            failure = error
        for _, durable in group:
            if durable.done():
                continue
            if failure:
                durable.set_exception(failure)
            else:
                durable.set_result(None)

    async def _make_durable(self, records: list[CallRecord]) -> None:
        """Commit the group, or spool it. While older turns wait in the spool, queue behind them."""
        if not self._spooling:
            try:
                await self._commit(records)
            except AWAY as error:
                log.warning("recorder.postgres_away", error=type(error).__name__)
                self._spooling = True
            else:
                return
        await asyncio.to_thread(self._spool.append, records)
        metrics.TURNS_SPOOLED.inc(len(records))

    async def _replay(self) -> None:
        waiting = await asyncio.to_thread(self._spool.waiting)
        try:
            for start in range(0, len(waiting), MAX_GROUP):
                await self._commit(waiting[start : start + MAX_GROUP])
        except AWAY:
            return
        await asyncio.to_thread(self._spool.clear)
        self._spooling = False
        if waiting:
            log.info("recorder.replayed", turns=len(waiting))

    async def _commit(self, records: list[CallRecord]) -> None:
        """Commit a group; one that Postgres refuses is halved until the bad turn stands alone."""
        started = time.perf_counter()
        for attempt in range(DEADLOCK_TRIES):
            try:
                async with asyncio.timeout(COMMIT_TIMEOUT_S):
                    await self._write(records)
            except psycopg.errors.DeadlockDetected:
                if attempt == DEADLOCK_TRIES - 1:
                    raise
            except AWAY:
                raise
            except psycopg.Error as error:
                await self._bisect(records, error)
                return
            else:
                break
        metrics.COMMIT_SECONDS.observe(time.perf_counter() - started)
        metrics.GROUP_SIZE.observe(len(records))

    async def _bisect(self, records: list[CallRecord], error: psycopg.Error) -> None:
        if len(records) > 1:
            middle = len(records) // 2
            await self._commit(records[:middle])
            await self._commit(records[middle:])
            return
        log.error("recorder.turn_rejected", sqlstate=error.sqlstate, turn=str(records[0].turn_id))
        metrics.TURNS_REJECTED.inc()
        await asyncio.to_thread(self._spool.reject, records[0])

    async def _write(self, records: list[CallRecord]) -> None:
        """Write the group in one statement, which is one transaction."""
        items = [record.columns(n) for n, record in enumerate(records, start=1)]
        values = (
            orjson.dumps(items).decode(),
            [record.request for record in records],
            [record.completion for record in records],
            self._idle,
        )
        async with self._pool.connection() as connection:
            await connection.execute(RECORD, values)
