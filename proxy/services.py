"""What all requests of one proxy process share, opened at start and closed at the end."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Coroutine
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from proxy import metrics
from proxy.config import Config
from proxy.context import ContextClient
from proxy.control import ControlChannel
from proxy.errors import degraded
from proxy.forward import Forwarder
from proxy.gate import Gate
from proxy.providers.base import Provider
from proxy.providers.local import LocalProvider
from proxy.providers.openai import OpenAIProvider
from proxy.recorder import AWAY, Recorder
from proxy.spool import Spool
from proxy.store import ENTER, MARK_USED, Route, find_route, make_pool

DATABASE_TIMEOUT_S = 2.0
TOUCH_EVERY_S = 60.0


class Services:
    """Pool, gate, context client, provider and recorder of one process."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.pool = make_pool(config.database_url)
        self.gate = Gate(
            config.redis_url, timeout_s=config.redis_timeout_s, global_rpm=config.global_rpm
        )
        self.context = ContextClient(
            config.context_address, config.service_token, config.context_deadline_s
        )
        self.provider = make_provider(config)
        self.recorder = Recorder(
            self.pool, Spool(config.spool_folder), idle_after_s=config.idle_after_s
        )
        self.forwarder = Forwarder(config)
        self.control = ControlChannel(config.control_url, config.service_token, config.name)
        self._touched: dict[UUID, float] = {}
        self._background: set[asyncio.Task[Any]] = set()

    async def open(self) -> None:
        """Open connections; what is away now is retried when it is needed."""
        await self.pool.open(wait=False)
        await self.context.connect()
        await self.recorder.start()
        self.control.start()

    async def close(self) -> None:
        """Finish what runs in the background, record what waits, close."""
        if self._background:
            await asyncio.wait(self._background, timeout=5)
        await self.control.close()
        await self.recorder.stop()
        await self.context.close()
        await self.provider.close()
        await self.forwarder.close()
        await self.gate.close()
        await self.pool.close()

    async def check_postgres(self) -> None:
        """Raise unless Postgres answers."""
        async with self.pool.connection(timeout=0.4) as connection:
            await connection.execute("SELECT 1")

    async def find_route(
        self,
        digest: bytes,
        agent_id: UUID | None,
        *,
        external_id: str | None = None,
        subject: str | None = None,
        node: bytes | None = None,
    ) -> Route | None:
        """Return what is known of the caller, read or kept from an earlier read.

        Raises SERVICE_DEGRADED (503) when it has to be read and Postgres is away.
        """
        lookup = (digest, agent_id, external_id, subject, node)
        route = self.control.routes.find(lookup)
        metrics.ROUTES.labels("kept" if route else "read").inc()
        if route is None:
            generation = self.control.generation
            async with self.database("Authorization") as connection:
                route = await find_route(connection, lookup)
            self.control.routes.keep(lookup, route, generation)
        if route is not None:
            self._touch(route)
        return route

    @contextlib.asynccontextmanager
    async def database(self, purpose: str) -> AsyncIterator[AsyncConnection]:
        """Lend a connection for a moment; SERVICE_DEGRADED (503) when Postgres is away."""
        try:
            async with asyncio.timeout(DATABASE_TIMEOUT_S), self.pool.connection() as connection:
                yield connection
        except AWAY as error:
            raise degraded(purpose) from error

    def in_background(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run something whose failure must not fail the request."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def _touch(self, route: Route) -> None:
        now = time.monotonic()
        if now - self._touched.get(route.token_id, -TOUCH_EVERY_S) >= TOUCH_EVERY_S:
            self._touched[route.token_id] = now
            self.in_background(self._touch_token(route))

    async def _touch_token(self, route: Route) -> None:
        with contextlib.suppress(*AWAY):
            async with self.pool.connection() as connection, connection.transaction():
                await connection.execute(ENTER, [str(route.org_id)])
                await connection.execute(MARK_USED, [route.token_id])


def make_provider(config: Config) -> Provider:
    """Return the provider that `IBEX_LLM_MODE` asks for."""
    if config.llm_mode == "local":
        return LocalProvider()
    return OpenAIProvider(
        name="openai",
        base_url=config.openai_base_url,
        api_key=config.openai_api_key,
        timeout_s=config.provider_timeout_s,
        connect_s=config.provider_connect_timeout_s,
    )
