"""The WebSocket `/ws/control`: proxies listen here, and say what they run."""

import asyncio
import contextlib
import hmac
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
import structlog
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings

from control.hub import AWAY, Listener, Overrun, hub

if TYPE_CHECKING:
    from datetime import datetime

log = structlog.get_logger(__name__)

MAX_NAME = 100
BAD_MESSAGE = 4400
LOST = 4408
TRY_AGAIN_LATER = 1013


class BadMessage(Exception):
    """A proxy said something that this protocol does not know."""


class ControlConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """One proxy's socket.

    It says `hello` with its id and name and is welcomed with a revision; then it gets each
    `change`, and the `revision` every second. It may ask `since` a revision when it sees a gap,
    and sends `ack` with the revision that it runs.
    """

    async def connect(self) -> None:
        """Let in whoever has the service token."""
        self.proxy_id: UUID | None = None
        self.since: datetime | None = None
        self.sender: asyncio.Task[None] | None = None
        self.listener: Listener | None = None
        if not _may_enter(self.scope["headers"]):
            await self.close()
            return
        await self.accept()

    async def disconnect(self, _code: int) -> None:
        """Stop sending, and note that the proxy is gone."""
        if self.sender:
            self.sender.cancel()
        if self.listener:
            hub().leave(self.listener)
        if self.proxy_id and self.since:
            await hub().left(self.proxy_id, self.since)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Act on one message; an unknown one ends the connection."""
        try:
            await self._act(orjson.loads(text_data or bytes_data or b""))
        except (BadMessage, orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            await self.close(code=BAD_MESSAGE)
        except AWAY as error:
            log.warning("control.postgres_away", error=type(error).__name__)
            await self.close(code=TRY_AGAIN_LATER)

    async def _act(self, message: dict[str, Any]) -> None:
        if message["type"] == "hello" and self.proxy_id is None:
            await self._welcome(UUID(message["proxy"]), str(message["name"])[:MAX_NAME])
        elif message["type"] == "since" and self.proxy_id:
            for missed in await hub().since(int(message["revision"])):
                await self._send(missed)
        elif message["type"] == "ack" and self.proxy_id:
            await hub().acknowledge(self.proxy_id, int(message["revision"]))
        else:
            raise BadMessage

    async def _welcome(self, proxy_id: UUID, name: str) -> None:
        """Listen first, then read the revision: what changes in between comes as a change."""
        self.listener = await hub().join()
        revision, self.since = await hub().connected(self.listener, proxy_id, name)
        self.proxy_id = proxy_id
        await self._send({"type": "welcome", "revision": revision})
        self.sender = asyncio.create_task(self._send_all(self.listener))

    async def _send_all(self, listener: Listener) -> None:
        try:
            async for message in listener.messages():
                await self._send(message)
        except Overrun:
            with contextlib.suppress(RuntimeError):
                await self.close(code=LOST)

    async def _send(self, message: dict[str, Any]) -> None:
        await self.send(text_data=orjson.dumps(message).decode())


def _may_enter(headers: list[tuple[bytes, bytes]]) -> bool:
    given = next((value for name, value in headers if name == b"authorization"), b"")
    return hmac.compare_digest(given, f"Bearer {settings.SERVICE_TOKEN}".encode())
