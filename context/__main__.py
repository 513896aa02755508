"""`python -m context`: serve context assembly over gRPC, and its health over HTTP."""

import asyncio
import signal

import aiohttp
import grpc.aio
import structlog
import uvicorn
import uvloop

from context.assemble import Assembler
from context.config import read_config
from context.proto import context_pb2_grpc
from context.service import ContextAssembly
from context.store import make_pool
from embedder.client import EmbedderClient
from ibex.health import Health
from ibex.logs import configure_logging
from ibex.ports import bind_host, port
from ibex.startup import refuse_unsafe_start

log = structlog.get_logger(__name__)

DRAIN_S = 30
CHECK_TIMEOUT_S = 0.4
WARM_UP_TRIES = 100
WARM_UP_PAUSE_S = 0.1


async def serve() -> None:
    """Serve until SIGTERM or SIGINT, then drain for 30 s."""
    config = read_config()
    pool = make_pool(config.database_url, wait_s=config.deadline_s)
    await pool.open(wait=False)
    embedder = EmbedderClient(config.embedder_url, config.service_token, config.branch_deadline_s)
    server = grpc.aio.server()
    assembler = Assembler(config, pool, embedder)
    warming_up = asyncio.create_task(_warm_up(assembler, config.embedder_url))
    service = ContextAssembly(assembler, config.service_token)
    context_pb2_grpc.add_ContextAssemblyServicer_to_server(service, server)  # type: ignore[no-untyped-call]
    server.add_insecure_port(f"{bind_host()}:{port('context')}")
    await server.start()

    async def check_postgres() -> None:
        async with pool.connection(timeout=CHECK_TIMEOUT_S) as connection:
            await connection.execute("SELECT 1")

    async def check_embedder() -> None:
        await _ask_embedder(config.embedder_url)

    async def check_warm() -> None:
        if not warming_up.done():
            raise TimeoutError

    health = Health(
        critical={"postgres": check_postgres, "warm_up": check_warm},
        soft={"embedder": check_embedder},
    )
    await _serve_health_until_stopped(health)
    await server.stop(DRAIN_S)
    warming_up.cancel()
    await embedder.close()
    await pool.close()


async def _warm_up(assembler: Assembler, embedder_url: str) -> None:
    """Warm up together with the embedder, or after a while without it."""
    for _try in range(WARM_UP_TRIES):
        try:
            await _ask_embedder(embedder_url)
        except (aiohttp.ClientError, TimeoutError):
            await asyncio.sleep(WARM_UP_PAUSE_S)
        else:
            break
    await assembler.warm_up()


async def _ask_embedder(embedder_url: str) -> None:
    ready = f"{embedder_url}/readyz"
    async with aiohttp.ClientSession() as client, client.get(ready) as answer:
        answer.raise_for_status()


async def _serve_health_until_stopped(health: Health) -> None:
    http = uvicorn.Server(
        uvicorn.Config(
            health,
            host=bind_host(),
            port=port("context_health"),
            log_config=None,
            access_log=False,
            lifespan="off",
        )
    )
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    serving = asyncio.create_task(http._serve())  # noqa: SLF001 - serve() would take our signals
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    http.should_exit = True
    await serving


def main() -> None:
    """Check that it is safe to start, then serve."""
    configure_logging("context")
    refuse_unsafe_start(read_config().database_url)
    uvloop.run(serve())


if __name__ == "__main__":
    main()
