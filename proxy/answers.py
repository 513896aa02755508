"""How an answer reaches the client: plain or streamed, never whole before its turn is durable."""

import asyncio
import time

import orjson

from proxy.calls import Call
from proxy.errors import ProxyError
from proxy.idempotency import Claim
from proxy.providers.base import ProviderResponse
from proxy.sse import (
    Answer,
    EventSplitter,
    error_event,
    is_done,
    is_usage_only,
    read_answer,
    read_stream,
)

CHECKPOINT_EVERY_S = 5.0
STREAM_HEADERS = {
    "content-type": "text/event-stream",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",
}
BAD_REQUEST = 400


async def send_plain(call: Call, held: Claim | None) -> None:
    """Read the provider's answer, make the turn durable, then send it."""
    try:
        response = await call.send()
        raw = await _read(call, response)
    except asyncio.CancelledError:
        await asyncio.shield(call.record_answer(Answer(), b"", complete=False))
        raise
    await _finish_plain(call, response, raw, held)


async def _finish_plain(
    call: Call, response: ProviderResponse, raw: bytes, held: Claim | None
) -> None:
    if response.status >= BAD_REQUEST:
        await call.record_failure(response.status, _provider_code(raw))
    else:
        await call.record_answer(read_answer(raw), raw, complete=True)
    headers = {**call.headers, **response.headers}
    if held:
        await held.settle(response.status, headers, raw)
    headers["x-ibex-overhead-ms"] = f"{call.overhead_ms():.1f}"
    await call.request.answer(response.status, raw, headers)


async def _read(call: Call, response: ProviderResponse) -> bytes:
    try:
        return await response.read()
    except ProxyError as error:
        await call.record_failure(error.status, error.code)
        error.headers = {**call.headers, **error.headers}
        raise
    finally:
        response.close()
        call.provider_ms = (time.perf_counter() - call.sent_at) * 1000


async def send_stream(call: Call) -> None:
    """Pass events on as they come; hold back the last one until the turn is durable."""
    overhead = call.overhead_ms()
    call.record.overhead_ms = overhead
    stream = _Stream(call)
    try:
        response = await call.send()
        if response.headers.get("content-type", "").split(";")[0] != "text/event-stream":
            await _finish_plain(call, response, await _read(call, response), None)
            return
        headers = {
            **call.headers,
            **response.headers,
            **STREAM_HEADERS,
            "x-ibex-overhead-ms": f"{overhead:.1f}",
        }
        await call.request.start(response.status, headers.items())
        await stream.run(response)
    except asyncio.CancelledError:
        await asyncio.shield(stream.settle(complete=False))
        raise


class _Stream:
    """One stream on its way through, and what of it must be recorded."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._splitter = EventSplitter()
        self._events: list[bytes] = []
        self._terminal = b""
        self._checkpointed = False
        self._settled = False
        self._next_checkpoint = time.monotonic() + CHECKPOINT_EVERY_S

    async def run(self, response: ProviderResponse) -> None:
        """Forward the stream, record the turn, and let the end of the answer go."""
        failure = b""
        try:
            async for chunk in response.chunks:
                await self._forward(self._splitter.feed(chunk))
                await self._checkpoint_when_due()
        except ProxyError as error:
            failure = error_event(error.code, error.message, self._call.request.request_id)
            self._call.record.error_code = error.code
        finally:
            response.close()
        rest = self._splitter.rest()
        if rest:
            self._events.append(rest)
        await self.settle(complete=not failure and self._is_whole())
        end = failure or (rest + self._terminal)
        await self._call.request.write(end, more=False)

    async def settle(self, *, complete: bool) -> None:
        """Make the turn durable, once."""
        if self._settled:
            return
        self._settled = True
        raw = b"".join(self._events) + self._terminal
        await self._call.record_answer(read_stream(self._events), raw, complete=complete)
        if self._checkpointed:
            await self._call.services.recorder.forget_checkpoint(self._call.record.turn_id)

    async def _forward(self, events: list[bytes]) -> None:
        passed: list[bytes] = []
        for event in events:
            if is_done(event):
                self._terminal += event
                continue
            self._events.append(event)
            if not (self._call.withhold_usage and is_usage_only(event)):
                passed.append(event)
        if passed:
            await self._call.request.write(b"".join(passed), more=True)

    def _is_whole(self) -> bool:
        return bool(self._terminal) or bool(read_stream(self._events[-3:]).finish_reason)

    async def _checkpoint_when_due(self) -> None:
        if time.monotonic() < self._next_checkpoint:
            return
        self._next_checkpoint = time.monotonic() + CHECKPOINT_EVERY_S
        self._checkpointed = True
        record = self._call.partial(read_stream(self._events), b"".join(self._events))
        await self._call.services.recorder.checkpoint(record)


def _provider_code(raw: bytes) -> str:
    """Return the provider's own error code, for the record."""
    try:
        code = orjson.loads(raw)["error"]["code"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return "PROVIDER_REFUSED"
    return str(code or "PROVIDER_REFUSED").replace("\x00", "")[:64]
