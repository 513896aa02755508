"""A real context server in this process, a real channel to it, and an embedder of a few lines."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import grpc.aio
import orjson
from aiohttp import web

from agents.models import Agent
from context.config import Config
from context.proto import context_pb2, context_pb2_grpc
from context.server import Server
from ibex.ids import uuid7
from tests.context.library import embed
from tests.processes import free_port

SERVICE_TOKEN = "a-service-token-made-only-for-tests"
PATIENT_S = 5.0
Answer = context_pb2.AssembleResponse


class Outpost:
    """What a test holds: the server, and a stub that authenticates unless told otherwise."""

    def __init__(self, server: Server, stub: context_pb2_grpc.ContextAssemblyStub) -> None:
        self.server = server
        self._stub = stub

    async def assemble(
        self, agent: Agent, query: str, *, token: str | None = SERVICE_TOKEN, **fields: Any
    ) -> Answer:
        """Ask as the proxy does."""
        defaults = {
            "org_id": str(agent.org_id),
            "agent_id": str(agent.pk),
            "session_id": str(uuid7()),
            "memory_scope": "agent",
            "query": query,
            "budget_tokens": 2_000,
            "max_items": 20,
        }
        metadata = [("authorization", f"Bearer {token}")] if token is not None else []
        request = context_pb2.AssembleRequest(**defaults | fields)
        return await self._stub.Assemble(request, metadata=metadata, timeout=30)


@asynccontextmanager
async def embedder(*, delay_s: float = 0.0) -> AsyncIterator[str]:
    """Serve `/v1/embeddings` in the embedder's wire format, with its model, after a delay."""

    async def embeddings(request: web.Request) -> web.Response:
        await asyncio.sleep(delay_s)
        assert request.headers["Authorization"] == f"Bearer {SERVICE_TOKEN}"
        assert UUID(request.headers["X-IBEX-Org-ID"])
        body = await request.json()
        vectors = [b64encode(embed(text).tobytes()).decode() for text in body["input"]]
        data = [{"index": i, "embedding": vector} for i, vector in enumerate(vectors)]
        return web.Response(body=orjson.dumps({"data": data}), content_type="application/json")

    async def ready(_request: web.Request) -> web.Response:
        return web.Response(text="{}")

    app = web.Application()
    app.add_routes([web.post("/v1/embeddings", embeddings), web.get("/readyz", ready)])
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", free_port())
    await site.start()
    yield site.name
    await runner.cleanup()


async def _until_open(server: Server) -> None:
    while True:
        if not server.pool.closed:
            return
        await asyncio.sleep(0.01)


@asynccontextmanager
async def outpost(
    database_url: str,
    *,
    embedder_url: str | None = None,
    branch_s: float = PATIENT_S,
    deadline_s: float = 2 * PATIENT_S,
    concurrency: int = 8,
    wait: bool = True,
) -> AsyncIterator[Outpost]:
    """Run the server; without an address the embedder is away."""
    config = Config(
        database_url=database_url,
        service_token=SERVICE_TOKEN,
        embedder_url=embedder_url or f"http://127.0.0.1:{free_port()}",
        branch_deadline_s=branch_s,
        deadline_s=deadline_s,
        concurrency=concurrency,
    )
    server = Server(config)
    port = await server.start("127.0.0.1:0")
    if wait:
        await _until_open(server)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Outpost(server, context_pb2_grpc.ContextAssemblyStub(channel))
    await server.stop()
