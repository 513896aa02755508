"""The bundled stand-in: answers from the prompt it was given, so that demos need no key.

It is no language model. To a question it answers with the sentence of the prompt, memories
included, that shares most words with it; what it is told, it notes. Refused in production.
"""

import asyncio
import html
import re
import time
from collections.abc import AsyncIterator
from typing import Any

import orjson

from ibex.ids import uuid7
from proxy.prompt import text_of
from proxy.providers.base import ProviderResponse

WORD = re.compile(r"[a-z0-9][a-z0-9._@-]*[a-z0-9]|[a-z0-9]", re.IGNORECASE)
SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
TAG = re.compile(r"<[^>]*>")
COMMON = frozenset(
    """
    a an and are be can could do does for have how i in is it me my of on or please should that
    the this to use user was we what when where which who why would you your
    """.split()
)
CHARACTERS_PER_TOKEN = 4
NOTHING_KNOWN = "I do not know that yet."


class LocalProvider:
    """Speaks OpenAI's wire format, streaming and not, without a network."""

    name = "local"
    takes_usage_option = True

    async def send(self, path: str, body: bytes) -> ProviderResponse:  # noqa: ARG002
        """Answer a chat completion; see `Provider.send`."""
        request = orjson.loads(body)
        text = compose(request["messages"])
        usage = _usage(request["messages"], text)
        head = {
            "id": f"chatcmpl-{uuid7().hex}",
            "created": int(time.time()),
            "model": request.get("model") or "local",
        }
        if request.get("stream"):
            wants_usage = (request.get("stream_options") or {}).get("include_usage")
            chunks = _stream(head, text, usage if wants_usage else None)
            return ProviderResponse(200, {"content-type": "text/event-stream"}, chunks, _nothing)
        answer = _plain(head, text, usage)
        return ProviderResponse(200, {"content-type": "application/json"}, _once(answer), _nothing)

    async def close(self) -> None:
        """Hold nothing open."""


def compose(messages: list[dict[str, Any]]) -> str:
    """Write the answer to the last user message from what the prompt says."""
    users = [text_of(m) for m in messages if m.get("role") == "user"]
    if not users:
        return NOTHING_KNOWN
    # A block of memories stands before the message itself, apart by an empty line.
    last = users[-1].rsplit("\n\n", 1)[-1].strip()
    if "?" not in last:
        return f"Noted: {last}"
    known = [s for m in messages for s in _sentences(text_of(m)) if s not in last and "?" not in s]
    wanted = _words(last)
    ranked = [(len(wanted & _words(sentence)), n) for n, sentence in enumerate(known)]
    shared, best = max(ranked, default=(0, 0))
    return f"As far as I know: {known[best]}" if shared else NOTHING_KNOWN


def _sentences(text: str) -> list[str]:
    plain = html.unescape(TAG.sub("\n", text))
    return [part.strip() for part in SENTENCE.split(plain) if part.strip()]


def _words(text: str) -> set[str]:
    return {word.lower() for word in WORD.findall(text)} - COMMON


def _usage(messages: list[dict[str, Any]], text: str) -> dict[str, int]:
    prompt = sum(len(text_of(m)) for m in messages) // CHARACTERS_PER_TOKEN + 1
    answer = len(text) // CHARACTERS_PER_TOKEN + 1
    return {
        "prompt_tokens": prompt,
        "completion_tokens": answer,
        "total_tokens": prompt + answer,
    }


def _plain(head: dict[str, Any], text: str, usage: dict[str, int]) -> bytes:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return orjson.dumps({**head, "object": "chat.completion", "choices": [choice], "usage": usage})


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def _stream(
    head: dict[str, Any], text: str, usage: dict[str, int] | None
) -> AsyncIterator[bytes]:
    yield _event(head, [_delta({"role": "assistant", "content": ""})])
    for word in re.findall(r"\S+\s*", text):
        yield _event(head, [_delta({"content": word})])
        await asyncio.sleep(0)
    yield _event(head, [_delta({}, "stop")])
    if usage:
        yield _event({**head, "usage": usage}, [])
    yield b"data: [DONE]\n\n"


def _delta(delta: dict[str, str], finish: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish}


def _event(head: dict[str, Any], choices: list[dict[str, Any]]) -> bytes:
    body = {**head, "object": "chat.completion.chunk", "choices": choices}
    return b"data: " + orjson.dumps(body) + b"\n\n"


def _nothing() -> None:
    """Close what was never open."""
