"""Bodies as they arrive over ASGI: bounded, chunked, cut off."""

import asyncio
from typing import Any

import orjson
import pytest
from django.core.asgi import get_asgi_application
from django.db import connections

from agents.models import Agent
from ibex.bodies import MAX_BODY_BYTES, BodyLimit
from ibex.ids import uuid7
from ibex.tenancy import tenant
from tests.api.conftest import AGENTS
from tests.conftest import World

HOST = (b"host", b"localhost")


async def exchange(
    application: Any, chunks: list[bytes], headers: list[tuple[bytes, bytes]], path: str = AGENTS
) -> tuple[int, dict[bytes, bytes], Any]:
    """Send one POST in chunks; return status, headers and JSON body."""
    waiting = [
        {"type": "http.request", "body": chunk, "more_body": number < len(chunks) - 1}
        for number, chunk in enumerate(chunks)
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        if waiting:
            return waiting.pop(0)
        await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 5000),
        "server": ("localhost", 8000),
    }
    await application(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], dict(sent[0]["headers"]), orjson.loads(body)


async def echo(_scope: Any, receive: Any, send: Any) -> None:
    """Read a body whole, as Django does, and answer its length."""
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message["body"])
        more = message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


async def test_a_body_of_4_mib_passes() -> None:
    chunks = [b"x" * 1024 * 1024] * 4
    assert await exchange(BodyLimit(echo), chunks, [HOST]) == (200, {}, MAX_BODY_BYTES)


async def test_a_declared_length_over_the_limit_is_refused_unread() -> None:
    async def never(*_args: Any) -> None:
        pytest.fail("the application was called")

    request_id = str(uuid7())
    headers = [
        HOST,
        (b"content-length", str(MAX_BODY_BYTES + 1).encode()),
        (b"x-request-id", request_id.encode()),
    ]
    status, answered, body = await exchange(BodyLimit(never), [b""], headers)
    assert (status, body["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert answered[b"x-request-id"].decode() == body["error"]["request_id"] == request_id


async def test_a_chunked_body_is_refused_where_it_goes_over() -> None:
    chunks = [b"x" * 1024 * 1024] * 5
    status, _headers, body = await exchange(BodyLimit(echo), chunks, [HOST])
    assert (status, body["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")


async def test_other_protocols_pass() -> None:
    seen = []

    async def application(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["type"])

    await BodyLimit(application)({"type": "lifespan"}, None, None)
    assert seen == ["lifespan"]


def test_a_chunked_body_is_read_to_its_end(
    committed_world: World, api_urls: None, django_db_blocker: Any
) -> None:
    """DRF takes a body without a length for an empty one."""
    body = orjson.dumps({"name": "Scribe", "slug": "scribe", "memory_scope": "agent"})
    with django_db_blocker.unblock():
        headers = [
            HOST,
            (b"authorization", f"Bearer {committed_world.token()}".encode()),
            (b"content-type", b"application/json"),
            (b"transfer-encoding", b"chunked"),
        ]
        application = BodyLimit(get_asgi_application())
        status, _headers, row = asyncio.run(exchange(application, [body[:9], body[9:]], headers))
        assert status == 201, row
        with tenant(committed_world.acme):
            assert Agent.objects.get(pk=row["id"]).slug == "scribe"
        connections.close_all()
