"""One assembly: embed, retrieve, pack, format, within a deadline and whatever is away.

L0 is everything; L1 went without the vector (words and pinned memories alone); L2 retrieved
nothing. Embedding runs beside the search for words, and has a shorter deadline of its own.
"""

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import psycopg
import structlog
from psycopg_pool import AsyncConnectionPool

from context import metrics
from context.budget import wrapper_tokens
from context.config import Config
from context.formatting import format_block, in_order
from context.packing import Packed, pack
from context.places import Places
from context.repetition import without_repetition
from context.trace import empty_trace, trace
from embedder.client import EmbedderClient
from embedder.errors import EmbeddingUnavailable, TextRefused
from ibex.logs import Sparing
from memories.retrieval import Candidate, Query, Retrieval, Vector, retrieve_async

sparing = Sparing(structlog.get_logger(__name__))

Pool = AsyncConnectionPool[psycopg.AsyncConnection[Any]]
AWAY = (psycopg.Error, TimeoutError, OSError)
GIVE_UP_S = 2.0
"""A server that has not ended a late statement after so long is not there; the connection goes."""


@dataclass(frozen=True)
class Assembled:
    """A block with its items in its order, its tokens, the level, and the trace as JSON."""

    block: str
    items: list[Candidate]
    tokens: int
    level: str
    trace: bytes


class Assembler:
    """Holds what assemblies share."""

    def __init__(self, config: Config, pool: Pool, embedder: EmbedderClient) -> None:
        self._config = config
        self._pool = pool
        self._embedder = embedder
        self._running: set[asyncio.Task[Retrieval]] = set()
        self._places = Places(config.concurrency)
        self._patience_s = config.deadline_s - config.branch_deadline_s
        """How long a request waits for its place: no longer than leaves time for the search."""

    async def assemble(self, query: Query, *, budget_tokens: int, max_items: int) -> Assembled:
        """Return what is known that matters. Never raises for what is away or late."""
        started = time.perf_counter()
        if max_items < 1 or budget_tokens <= wrapper_tokens():
            return _count(_nothing("L0", "no_room", started), started)
        try:
            await self._places.take(self._patience_s)
            left_s = self._config.deadline_s - (time.perf_counter() - started)
            retrieval = await self._within(left_s, self.retrieve(query))
        except AWAY as error:
            reason = type(error).__name__
            sparing.say("context.nothing_retrieved", reason)
            return _count(_nothing("L2", reason, started), started)
        metrics.CANDIDATES.observe(retrieval.pool)
        packing = time.perf_counter()
        said, repeated = without_repetition(retrieval.candidates)
        packed = pack(said, budget_tokens=budget_tokens, max_items=max_items)
        packed.left_out.update(repeated)
        timings = {"packing_ms": _milliseconds(packing), "total_ms": _milliseconds(started)}
        return _count(_assembled(retrieval, packed, timings), started)

    async def retrieve(self, query: Query) -> Retrieval:
        """Search for the query, and beside that embed it. Raises one of `AWAY`."""
        embedding = asyncio.create_task(self._embed(query))
        try:
            async with asyncio.timeout(GIVE_UP_S), self._pool.connection() as connection:
                return await retrieve_async(connection, query, embedding)
        finally:
            embedding.cancel()

    async def _within(self, left_s: float, work: Coroutine[Any, Any, Retrieval]) -> Retrieval:
        """Wait until the deadline. What is late ends by itself, and its connection is used again.

        Nobody waits for a cancellation either: it asks the server, which may be what is away.
        The work's place is free again when it has really ended.
        """
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._finish)
        done, _late = await asyncio.wait({task}, timeout=left_s)
        if not done:
            raise TimeoutError
        return task.result()

    def _finish(self, task: asyncio.Task[Retrieval]) -> None:
        self._running.discard(task)
        self._places.free()
        if not task.cancelled():
            task.exception()  # looked at, so that the loop does not report it

    async def _embed(self, query: Query) -> Vector | None:
        """Return the query's vector, or None when it does not come in time."""
        try:
            async with asyncio.timeout(self._config.branch_deadline_s):
                vectors = await self._embedder.embed(query.org_id, [query.text], "query")
        except (EmbeddingUnavailable, TextRefused, TimeoutError):
            metrics.EMBEDDINGS_MISSED.inc()
            return None
        vector: Vector = vectors[0]
        return vector


def _assembled(retrieval: Retrieval, packed: Packed, timings: dict[str, float]) -> Assembled:
    return Assembled(
        block=format_block(packed.taken),
        items=in_order(packed.taken),
        tokens=packed.tokens,
        level=retrieval.level,
        trace=trace(retrieval, packed, timings),
    )


def _nothing(level: str, reason: str, started: float) -> Assembled:
    timings = {"total_ms": _milliseconds(started)}
    return Assembled("", [], 0, level, empty_trace(level, reason, timings))


def _count(assembled: Assembled, started: float) -> Assembled:
    metrics.ASSEMBLIES.labels(assembled.level).inc()
    metrics.ITEMS.observe(len(assembled.items))
    metrics.SECONDS.observe(time.perf_counter() - started)
    return assembled


def _milliseconds(since: float) -> float:
    return round((time.perf_counter() - since) * 1000, 3)
