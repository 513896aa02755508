"""The process: gRPC and health listeners in one loop, start-up in the background, a clean end.

The listeners are there at once. Until the database role has been checked, the pool is closed and
every assembly is L2; until statements have been run once, the process is not ready.
"""

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from uuid import UUID

import aiohttp
import grpc.aio
import numpy as np
import psycopg
import structlog
import uvicorn

from context.assemble import Assembler
from context.config import Config
from context.proto import context_pb2_grpc
from context.service import ContextAssembly
from context.store import MIN_CONNECTIONS, PING, make_pool
from embedder.client import EmbedderClient
from embedder.limits import EMBEDDING_DIM
from ibex.health import Health
from ibex.ports import bind_host, port
from ibex.startup import UnsafeStart, refuse_unsafe_start
from memories.retrieval import Query, retrieve_async

log = structlog.get_logger(__name__)

DRAIN_S = 30
CHECK_TIMEOUT_S = 0.4
RETRY_S = 0.2
WARM_UP_ROUNDS = 10
GRPC_OPTIONS = [("grpc.so_reuseport", 0)]
"""A second instance on the same port is a mistake, not a way to share it."""


class Server:
    """One context process."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.pool = make_pool(config.database_url, deadline_s=config.deadline_s)
        self.embedder = EmbedderClient(
            config.embedder_url, config.service_token, config.branch_deadline_s
        )
        self.assembler = Assembler(config, self.pool, self.embedder)
        self.health = Health(
            critical={"postgres": self._check_postgres, "warm_up": self._check_warm},
            soft={"embedder": self._check_embedder},
        )
        self._grpc = grpc.aio.server(options=GRPC_OPTIONS)
        service = ContextAssembly(self.assembler, config.service_token)
        context_pb2_grpc.add_ContextAssemblyServicer_to_server(service, self._grpc)  # type: ignore[no-untyped-call]
        self._starting: asyncio.Task[None] | None = None
        self.refused = asyncio.Event()
        self.refusal: UnsafeStart | None = None

    async def start(self, address: str) -> int:
        """Listen, and begin to start up; return the port."""
        listening = self._grpc.add_insecure_port(address)
        await self._grpc.start()
        self._starting = asyncio.create_task(self._start_up())
        return listening

    async def stop(self) -> None:
        """Answer what is under way, for at most 30 s, and let go of everything."""
        await self._grpc.stop(DRAIN_S)
        if self._starting:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        await self.embedder.close()
        await self.pool.close()

    async def _start_up(self) -> None:
        await _until(self._is_safe)
        await self.pool.open()
        await _until(self._warm_up)
        log.info("context.ready")

    async def _is_safe(self) -> bool:
        """Check the database role; an unsafe one is for good."""
        try:
            await asyncio.to_thread(refuse_unsafe_start, self.config.database_url)
        except psycopg.Error as error:
            log.warning("context.postgres_away", reason=type(error).__name__)
            return False
        except UnsafeStart as refusal:
            self.refusal = refusal
            self.refused.set()
            await asyncio.Event().wait()
        return True

    async def _warm_up(self) -> bool:
        """Search for nobody on every connection, so that no caller pays for first times.

        First times may well miss the deadline; it is enough that some search works.
        """
        failures: list[BaseException | None] = []
        for _round in range(WARM_UP_ROUNDS):
            searches = [self._search_for_nobody() for _ in range(MIN_CONNECTIONS)]
            failures += await asyncio.gather(*searches, return_exceptions=True)
        return None in failures

    async def _search_for_nobody(self) -> None:
        nobody = UUID(int=0)
        query = Query(
            org_id=nobody,
            agent_id=nobody,
            text="warm-up",
            vector=np.full(EMBEDDING_DIM, EMBEDDING_DIM**-0.5, np.float32),
            now=datetime.now(UTC),
        )
        async with self.pool.connection() as connection:
            await retrieve_async(connection, query)

    async def _check_postgres(self) -> None:
        async with self.pool.connection(timeout=CHECK_TIMEOUT_S) as connection:
            await connection.execute(PING)

    async def _check_warm(self) -> None:
        if self._starting is None or not self._starting.done():
            raise TimeoutError
        self._starting.result()  # raises what ended it

    async def _check_embedder(self) -> None:
        url = f"{self.config.embedder_url}/readyz"
        timeout = aiohttp.ClientTimeout(total=CHECK_TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as client, client.get(url) as answer:
            answer.raise_for_status()


async def _until(attempt: Callable[[], Awaitable[bool]]) -> None:
    """Try again until it works."""
    while True:
        if await attempt():
            return
        await asyncio.sleep(RETRY_S)


async def serve(config: Config) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Raises `UnsafeStart` when it must not serve."""
    server = Server(config)
    await server.start(f"{bind_host()}:{port('context')}")
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    http = _HealthListener(server.health)
    serving = asyncio.create_task(http.serve())
    ends = [asyncio.create_task(event.wait()) for event in (stopped, server.refused)]
    await asyncio.wait([serving, *ends], return_when=asyncio.FIRST_COMPLETED)
    for end in ends:
        end.cancel()
    await server.stop()
    http.should_exit = True
    await serving
    if server.refusal:
        raise server.refusal


class _HealthListener(uvicorn.Server):
    """uvicorn without its own signal handlers: the process has one way to end."""

    def __init__(self, health: Health) -> None:
        config = uvicorn.Config(
            health,
            host=bind_host(),
            port=port("context_health"),
            log_config=None,
            access_log=False,
            lifespan="off",
        )
        super().__init__(config)

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until `should_exit`."""
        await self._serve(sockets)
