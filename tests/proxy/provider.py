"""A provider that speaks OpenAI's wire format on a real socket and does what a test asks of it.

It runs in a thread of the test, or, to be killed, as a process of its own:
`python -m tests.proxy.provider PORT '{"chunks": 3}'`, the second argument being its behaviour.
"""

import asyncio
import json
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.processes import free_port


@dataclass
class Behaviour:
    """How the provider answers from now on."""

    text: str = "Noted."
    status: int = 200
    fail_times: int = 0
    delay_s: float = 0.0
    chunk_delay_s: float = 0.0
    chunks: int = 5
    break_after: int | None = None
    tool_call: bool = False
    done: bool = True
    cancelled: int = 0
    seen: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)


class ProviderPeer:
    """An aiohttp server in a thread of its own."""

    def __init__(self, port: int | None = None) -> None:
        self.behaviour = Behaviour()
        self.port = port or free_port()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._ready = threading.Event()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> "ProviderPeer":
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def reset(self, **options: Any) -> Behaviour:
        self.behaviour = Behaviour(**options)
        return self.behaviour

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        app = web.Application(client_max_size=16 * 1024 * 1024)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_get("/healthz", _healthy)
        runner = web.AppRunner(app, handler_cancellation=True)
        self._loop.run_until_complete(runner.setup())
        self._loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", self.port).start())
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        how = self.behaviour
        raw = await request.read()
        body = json.loads(raw)
        how.raw.append(raw)
        how.seen.append(body)
        how.headers.append(dict(request.headers))
        try:
            await asyncio.sleep(how.delay_s)
            if how.fail_times > 0:
                how.fail_times -= 1
                return web.json_response({"error": {"message": "down"}}, status=503)
            if how.status != 200:
                error = {
                    "message": "refused by the peer",
                    "type": "x",
                    "param": None,
                    "code": "peer",
                }
                return web.json_response({"error": error}, status=how.status)
            if body.get("stream"):
                return await self._stream(request, body, how)
        except asyncio.CancelledError:
            how.cancelled += 1
            raise
        message: dict[str, Any] = {"role": "assistant", "content": how.text}
        if how.tool_call and body["messages"][-1]["role"] != "tool":
            call = {
                "id": "call_1",
                "type": "function",
                "function": {"name": "lookup", "arguments": '{"q": 1}'},
            }
            message = {"role": "assistant", "content": None, "tool_calls": [call]}
        answer = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
        }
        headers = {
            "x-ratelimit-remaining-requests": "99",
            "openai-version": "1",
            "set-cookie": "a=b",
        }
        return web.json_response(answer, headers=headers)

    async def _stream(
        self, request: web.Request, body: dict[str, Any], how: Behaviour
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
        for n in range(how.chunks):
            if how.break_after == n:
                assert request.transport is not None
                request.transport.abort()
                return response
            choice = {"index": 0, "delta": {"content": f"{how.text} {n} "}, "finish_reason": None}
            await response.write(_event({**head, "choices": [choice], "usage": None}))
            await asyncio.sleep(how.chunk_delay_s)
        stop = {"index": 0, "delta": {}, "finish_reason": "stop"}
        await response.write(_event({**head, "choices": [stop], "usage": None}))
        if (body.get("stream_options") or {}).get("include_usage"):
            usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
            await response.write(_event({**head, "choices": [], "usage": usage}))
        if how.done:
            await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        return response


async def _healthy(_request: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


def _event(payload: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(payload).encode() + b"\n\n"


if __name__ == "__main__":
    peer = ProviderPeer(int(sys.argv[1]))
    peer.reset(**json.loads(sys.argv[2]))
    peer.start()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
