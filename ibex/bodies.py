"""A bound on request bodies, before Django spools them to disk."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from ibex.errors import envelope
from ibex.request_ids import HEADER, accept_request_id

MAX_BODY_BYTES = 4 * 1024 * 1024

Application = Callable[[Any, Any, Any], Awaitable[None]]


class BodyTooLarge(Exception):
    """The client sent more than it may; raised where the application reads."""


class BodyLimit:
    """An ASGI application that lets at most 4 MiB through to another one.

    A declared length is refused unread; a chunked body is refused where it goes over.
    """

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request, or answer 413 in the contract's envelope."""
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"")
        if declared.isdigit() and int(declared) > MAX_BODY_BYTES:
            await _refuse(scope, send)
            return
        try:
            await self.application(scope, _counted(receive), send)
        except BodyTooLarge:
            await _refuse(scope, send)


def _counted(receive: Callable[[], Awaitable[Any]]) -> Callable[[], Awaitable[Any]]:
    """Receive as before, until the body is too large. Django reads all of it before it answers."""
    size = 0

    async def counted() -> Any:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > MAX_BODY_BYTES:
            raise BodyTooLarge
        return message

    return counted


async def _refuse(scope: Any, send: Any) -> None:
    headers = dict(scope["headers"])
    request_id = accept_request_id(headers.get(HEADER.lower().encode(), b"").decode("latin-1"))
    body = orjson.dumps(
        envelope(
            code="PAYLOAD_TOO_LARGE",
            message="The request body exceeds 4 MiB.",
            status=413,
            request_id=request_id,
        )
    )
    fields = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        (HEADER.lower().encode(), request_id.encode()),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": fields})
    await send({"type": "http.response.body", "body": body})
