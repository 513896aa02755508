"""The few pieces of HTTP that the ASGI application needs."""

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, TypeVar
from uuid import UUID

import orjson

from embedder.limits import MAX_BODY_BYTES
from embedder.refusals import (
    Invalid,
    InvalidToken,
    MissingToken,
    PayloadTooLarge,
    UnsupportedMediaType,
)

Headers = Mapping[bytes, bytes]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
T = TypeVar("T")


def check_token(headers: Headers, service_token: bytes) -> None:
    """Let only the other processes of this installation in; takes the same time for any token."""
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() != b"bearer" or not token.strip():
        raise MissingToken
    if not hmac.compare_digest(token.strip(), service_token):
        raise InvalidToken


def check_json(headers: Headers) -> None:
    """Refuse a body that is not declared as JSON."""
    media_type = headers.get(b"content-type", b"").partition(b";")[0]
    if media_type.strip().lower() != b"application/json":
        raise UnsupportedMediaType


def read_org(headers: Headers) -> UUID:
    """Return the org that the caller works for; the cache keeps orgs apart by it."""
    try:
        return UUID(headers.get(b"x-ibex-org-id", b"").decode("latin-1"))
    except ValueError:
        raise Invalid("The header X-IBEX-Org-ID must be a uuid.", "X-IBEX-Org-ID") from None


async def read_body(headers: Headers, receive: Receive) -> bytes:
    """Collect the body, at most 4 MiB of it."""
    length = headers.get(b"content-length", b"")
    if length.isdigit() and int(length) > MAX_BODY_BYTES:
        raise PayloadTooLarge
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise PayloadTooLarge
        if not message.get("more_body"):
            return bytes(body)


class ClientLeft(Exception):
    """The caller closed the connection before it had its answer."""


async def unless_client_leaves(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Finish `work`, or cancel it and raise `ClientLeft`: nobody computes for a lost caller."""
    task = asyncio.create_task(work)
    gone = asyncio.create_task(_disconnect(receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientLeft
        return task.result()
    finally:
        task.cancel()
        gone.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def send_json(
    send: Send, status: int, body: Any, request_id: str, extra: Mapping[str, str] | None = None
) -> None:
    """Answer with JSON and the request's id."""
    headers = {"content-type": "application/json", "x-request-id": request_id, **(extra or {})}
    encoded = orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
    headers["content-length"] = str(len(encoded))
    start = {
        "type": "http.response.start",
        "status": status,
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    await send(start)
    await send({"type": "http.response.body", "body": encoded})
