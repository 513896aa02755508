"""Vectors that were computed before, in Redis. Without Redis everything is merely computed again.

Key `{org}:embed:{model}:{kind}:{sha256 of the text}`, value 384 little-endian float32.
"""

import asyncio
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import cast
from uuid import UUID

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from embedder.limits import EMBEDDING_MODEL, VECTOR_BYTES, Kind
from embedder.metrics import CACHE_ERRORS

FIRST_RETRY_S = 0.1
LONGEST_RETRY_S = 5.0
MAX_CONNECTIONS = 32
MAX_WRITES = 64

log = structlog.get_logger(__name__)


def cache_key(org_id: UUID, kind: Kind, text: str) -> str:
    """Name a text's vector; the org comes first, so that it can be erased with its org."""
    return f"{org_id}:embed:{EMBEDDING_MODEL}:{kind}:{sha256(text.encode()).hexdigest()}"


class VectorCache:
    """Reads and writes that never raise, and wait no longer than `timeout_ms` a step.

    After a failure Redis is left alone until it answers a ping of a background task, so that
    its absence makes one request wait and not every request.
    """

    def __init__(self, url: str, *, ttl_s: int, timeout_ms: int) -> None:
        timeout_s = timeout_ms / 1_000
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=MAX_CONNECTIONS,
            timeout=timeout_s,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
        )
        self._redis = Redis.from_pool(pool)
        self._ttl_s = ttl_s
        self._recovery: asyncio.Task[None] | None = None
        self._writes: set[asyncio.Task[None]] = set()

    async def get(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the vectors' bytes, None for each that is unknown."""
        if self._recovery is None:
            try:
                values = cast("list[bytes | None]", await self._redis.mget(keys))
            except (RedisError, OSError) as error:
                self._leave_alone(error)
            else:
                return [value if value and len(value) == VECTOR_BYTES else None for value in values]
        return [None] * len(keys)

    def put_later(self, vectors: Mapping[str, bytes]) -> None:
        """Store vectors while the answer is already on its way; too many at once are dropped."""
        if vectors and self._recovery is None and len(self._writes) < MAX_WRITES:
            write = asyncio.create_task(self._put(vectors))
            self._writes.add(write)
            write.add_done_callback(self._writes.discard)

    async def ping(self) -> None:
        """Ask Redis for a sign of life; raises when there is none."""
        await self._redis.ping()

    async def close(self) -> None:
        """Finish the writes under way, then let go of Redis."""
        await asyncio.gather(*self._writes)
        if self._recovery:
            self._recovery.cancel()
        await self._redis.aclose()

    async def _put(self, vectors: Mapping[str, bytes]) -> None:
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                for key, value in vectors.items():
                    pipeline.set(key, value, ex=self._ttl_s)
                await pipeline.execute()
        except (RedisError, OSError) as error:
            self._leave_alone(error)

    def _leave_alone(self, error: Exception) -> None:
        CACHE_ERRORS.inc()
        if self._recovery is None:
            log.warning("embedding cache away", error=type(error).__name__)
            self._recovery = asyncio.create_task(self._await_recovery())

    async def _await_recovery(self) -> None:
        delay = FIRST_RETRY_S
        while True:
            await asyncio.sleep(delay)
            try:
                await self.ping()
            except (RedisError, OSError):
                delay = min(2 * delay, LONGEST_RETRY_S)
            else:
                log.info("embedding cache back")
                self._recovery = None
                return
