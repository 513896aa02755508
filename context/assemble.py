"""One assembly: embed, retrieve, pack, format, within a deadline and whatever is away.

L0 is everything; L1 went without the vector (words and pinned memories alone); L2 retrieved
nothing. Embedding runs beside the search for words, and has a shorter deadline of its own.
"""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from context import metrics
from context.config import Config
from context.formatting import format_block, in_order
from context.packing import pack
from context.store import MIN_CONNECTIONS
from context.trace import failure_trace, trace
from embedder.client import EmbedderClient
from embedder.errors import EmbeddingUnavailable, TextRefused
from memories.retrieval import Candidate, Query, Retrieval, Vector, retrieve_async

log = structlog.get_logger(__name__)

WARM_UP_ROUNDS = 10
WARM_UP_S = 5.0
AWAY = (psycopg.Error, PoolTimeout, TimeoutError, OSError)


@dataclass(frozen=True)
class Assembled:
    """A block with its items in order, its tokens, the level, and the trace as JSON."""

    block: str
    items: list[Candidate]
    tokens: int
    level: str
    trace: bytes


class Assembler:
    """Holds what assemblies share."""

    def __init__(
        self,
        config: Config,
        pool: AsyncConnectionPool[AsyncConnection],
        embedder: EmbedderClient,
    ) -> None:
        self._config = config
        self._pool = pool
        self._embedder = embedder

    async def warm_up(self) -> None:
        """Search for nobody on every connection, so that no caller pays for first times."""
        nobody = UUID(int=0)
        query = Query(org_id=nobody, agent_id=nobody, text="warm-up", now=datetime.now(UTC))
        for _round in range(WARM_UP_ROUNDS):
            searches = (self._retrieve(query, WARM_UP_S, WARM_UP_S) for _ in range(MIN_CONNECTIONS))
            await asyncio.gather(*searches, return_exceptions=True)

    async def assemble(self, query: Query, *, budget_tokens: int, max_items: int) -> Assembled:
        """Return what is known that matters. Never raises for what is away or late."""
        started = time.perf_counter()
        config = self._config
        try:
            retrieval = await self._retrieve(query, config.deadline_s, config.branch_deadline_s)
        except AWAY as error:
            log.warning("context.nothing_retrieved", reason=type(error).__name__)
            elapsed = (time.perf_counter() - started) * 1000
            reason = failure_trace("L2", type(error).__name__, elapsed)
            return self._count(Assembled("", [], 0, "L2", reason), started)
        assembled = _assembled(retrieval, started, budget_tokens, max_items)
        return self._count(assembled, started)

    async def _retrieve(self, query: Query, deadline_s: float, branch_s: float) -> Retrieval:
        vector = asyncio.create_task(self._embed(query, branch_s))
        try:
            async with asyncio.timeout(deadline_s), self._pool.connection() as connection:
                return await retrieve_async(connection, query, vector)
        finally:
            vector.cancel()

    async def _embed(self, query: Query, deadline_s: float) -> Vector | None:
        """Return the query's vector, or None when it does not come in time."""
        try:
            async with asyncio.timeout(deadline_s):
                vectors = await self._embedder.embed(query.org_id, [query.text], "query")
        except (EmbeddingUnavailable, TextRefused, TimeoutError):
            metrics.EMBEDDINGS_MISSED.inc()
            return None
        vector: Vector = vectors[0]
        return vector

    def _count(self, assembled: Assembled, started: float) -> Assembled:
        metrics.ASSEMBLIES.labels(assembled.level).inc()
        metrics.ITEMS.observe(len(assembled.items))
        metrics.SECONDS.observe(time.perf_counter() - started)
        return assembled


def _assembled(
    retrieval: Retrieval, started: float, budget_tokens: int, max_items: int
) -> Assembled:
    packed = pack(retrieval.candidates, budget_tokens=budget_tokens, max_items=max_items)
    elapsed = (time.perf_counter() - started) * 1000
    return Assembled(
        block=format_block(packed.taken),
        items=in_order(packed.taken),
        tokens=packed.tokens,
        level=retrieval.level,
        trace=trace(retrieval, packed, elapsed),
    )
