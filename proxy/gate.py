"""The one Redis round trip before a call: rate limits, and the frozen block if there is one."""

import contextlib

import redis.asyncio
import structlog
from redis.exceptions import NoScriptError, RedisError

from proxy.context import FROZEN_FOR_S, Context
from proxy.errors import degraded
from proxy.limits import SCRIPT, Verdict, counters, verdict
from proxy.store import Route

log = structlog.get_logger(__name__)


class Gate:
    """Holds the Redis connections of the proxy."""

    def __init__(self, redis_url: str, *, timeout_s: float, global_rpm: int) -> None:
        self.redis = redis.asyncio.from_url(
            redis_url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s
        )
        self._global_rpm = global_rpm
        self._sha = ""

    async def check(self) -> None:
        """Raise unless Redis answers, for the readiness check."""
        await self.redis.ping()

    async def pass_through(
        self, route: Route, frozen_key: str | None
    ) -> tuple[Verdict, Context | None]:
        """Count the request and fetch its frozen context.

        Raises SERVICE_DEGRADED (503) when Redis is away: limits fail closed.
        """
        assert route.agent_id is not None  # noqa: S101 - admitted routes have an agent
        keys = counters(route.org_id, route.agent_id)
        limits = [route.org_rpm, route.org_rpm, self._global_rpm]
        try:
            answer, frozen = await self._ask(keys, limits, frozen_key)
        except (RedisError, OSError, TimeoutError) as error:
            raise degraded("Rate limiting") from error
        return verdict(answer), Context.from_json(frozen) if frozen else None

    async def freeze(self, key: str, context: Context) -> None:
        """Keep a block for the rest of its tool loop. Losing it costs a cache hit, no more."""
        with contextlib.suppress(RedisError, OSError, TimeoutError):
            await self.redis.set(key, context.to_json(), ex=FROZEN_FOR_S)

    async def close(self) -> None:
        """Close all connections."""
        await self.redis.aclose()

    async def _ask(
        self, keys: list[str], limits: list[int], frozen_key: str | None
    ) -> tuple[list[int], bytes | None]:
        if not self._sha:
            self._sha = await self.redis.script_load(SCRIPT)
        pipeline = self.redis.pipeline(transaction=False)
        pipeline.evalsha(self._sha, len(keys), *keys, *limits)
        if frozen_key:
            pipeline.get(frozen_key)
        try:
            answers = await pipeline.execute()
        except NoScriptError:
            self._sha = await self.redis.script_load(SCRIPT)
            return await self._ask(keys, limits, frozen_key)
        return answers[0], answers[1] if frozen_key else None
