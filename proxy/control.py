"""The proxy's end of the control channel: hears of changes in order, and says what it runs.

While the channel is live the caches hold. It is live when it was welcomed, misses no revision and
heard something within the last two seconds; otherwise every request reads Postgres, as if there
were no caches. So a cut socket, a stopped consumer or a dead Postgres make a proxy slower, and
never let it run what was changed meanwhile.
"""

import asyncio
import contextlib
import random
import time
from typing import Any
from uuid import UUID

import aiohttp
import orjson
import structlog

from ibex.ids import uuid7
from proxy import metrics
from proxy.routes import RouteCache

log = structlog.get_logger(__name__)

SILENCE_S = 2.0
FIRST_RETRY_S = 0.1
LAST_RETRY_S = 1.0
"""A consumer that is back is heard again within two seconds, its start aside."""
CONNECT_S = 3.0
BEFORE_ALL = -1
"""Asked for what came since, the consumer answers with a reset: so much is never kept."""


class ControlChannel:
    """One WebSocket to the consumer, kept open."""

    def __init__(self, url: str, service_token: str, name: str) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {service_token}"}
        self._id = uuid7()
        self._name = name or f"proxy-{self._id.hex[-6:]}"
        self._revision: int | None = None
        self._is_current = False
        self._heard = 0.0
        self._task: asyncio.Task[None] | None = None
        self.generation = 0
        self.routes = RouteCache(self)

    @property
    def is_live(self) -> bool:
        """Whether every change would have been heard by now."""
        return self._is_current and time.monotonic() - self._heard < SILENCE_S

    def start(self) -> None:
        """Connect in the background, for as long as the process lives. Without a URL do nothing."""
        if self._url:
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Leave."""
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        retry_s = FIRST_RETRY_S
        async with aiohttp.ClientSession() as client:
            while True:
                try:
                    await self._listen(client)
                except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError) as error:
                    log.debug("control.away", error=type(error).__name__)
                finally:
                    was_welcome = self._revision is not None
                    self.disconnected()
                retry_s = FIRST_RETRY_S if was_welcome else min(retry_s * 2, LAST_RETRY_S)
                await asyncio.sleep(retry_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter

    async def _listen(self, client: aiohttp.ClientSession) -> None:
        """Hold one connection until it ends."""
        async with asyncio.timeout(CONNECT_S):
            socket = await client.ws_connect(self._url, headers=self._headers)
        async with socket:
            hello = {"type": "hello", "proxy": str(self._id), "name": self._name}
            await socket.send_str(orjson.dumps(hello).decode())
            while True:
                message = await socket.receive(timeout=SILENCE_S * 2)
                if message.type is not aiohttp.WSMsgType.TEXT:
                    return
                if answer := self.hear(orjson.loads(message.data)):
                    await socket.send_str(orjson.dumps(answer).decode())

    def disconnected(self) -> None:
        """Trust nothing until the next welcome."""
        self._revision, self._is_current = None, False

    def hear(self, message: dict[str, Any]) -> dict[str, Any] | None:
        """Take one message in; return what to answer, if anything."""
        was_live = self.is_live
        self._heard = time.monotonic()
        answer = self._take(message["type"], int(message["revision"]), message)
        if self.is_live and not was_live:
            self._forget()  # requests have read meanwhile what is newer than what was kept
        return answer

    def _take(self, kind: str, revision: int, message: dict[str, Any]) -> dict[str, Any] | None:
        if kind in {"welcome", "reset"}:
            return self._start_anew(revision)
        if self._revision is None:
            return self._ask()
        if kind == "change":
            return self._hear_change(message, revision)
        if revision == self._revision:
            self._is_current = True
            return None
        return self._ask()

    def _hear_change(self, message: dict[str, Any], revision: int) -> dict[str, Any] | None:
        known = self._revision or 0
        if revision <= known:
            return None  # said twice
        if revision > known + 1:
            return self._ask()
        self.generation += 1
        self._revision = revision
        self.routes.drop(UUID(message["target"]))
        metrics.CONTROL_CHANGES.labels(message["kind"]).inc()
        return {"type": "ack", "revision": revision}

    def _ask(self) -> dict[str, Any]:
        """Trust nothing until what was missed is heard."""
        self._is_current = False
        metrics.CONTROL_GAPS.inc()
        revision = BEFORE_ALL if self._revision is None else self._revision
        return {"type": "since", "revision": revision}

    def _start_anew(self, revision: int) -> dict[str, Any]:
        self._forget()
        self._revision = revision
        self._is_current = True
        return {"type": "ack", "revision": revision}

    def _forget(self) -> None:
        self.generation += 1
        self.routes.clear()
