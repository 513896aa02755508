"""Server-sent events: a stream cut at its event boundaries, and what a finished one said."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson

DONE = b"[DONE]"
Json = dict[str, Any]


class EventSplitter:
    """Cuts bytes into whole events, each with its blank line, exactly as they came."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the events that this chunk completes."""
        buffer = self._rest + chunk
        events: list[bytes] = []
        while (end := _end_of_event(buffer)) is not None:
            events.append(buffer[:end])
            buffer = buffer[end:]
        self._rest = buffer
        return events

    def rest(self) -> bytes:
        """Return what came after the last whole event."""
        return self._rest


def _end_of_event(buffer: bytes) -> int | None:
    ends = [at + len(mark) for mark in (b"\n\n", b"\r\n\r\n") if (at := buffer.find(mark)) >= 0]
    return min(ends, default=None)


def data_of(event: bytes) -> bytes:
    """Return the payload of an event: its `data:` lines, joined."""
    lines = (line for line in event.splitlines() if line.startswith(b"data:"))
    return b"\n".join(line[5:].strip() for line in lines)


def is_done(event: bytes) -> bool:
    """Say whether this is the event that ends an OpenAI stream."""
    return b"[DONE]" in event and data_of(event) == DONE


def is_usage_only(event: bytes) -> bool:
    """Say whether this is the extra event that `include_usage` adds: usage and no choices."""
    if b'"usage"' not in event:
        return False
    payload = _json(data_of(event))
    return bool(payload) and payload.get("choices") == [] and bool(payload.get("usage"))


@dataclass
class Answer:
    """What an answer said, however it was sent."""

    message: Json = field(default_factory=lambda: {"role": "assistant", "content": ""})
    finish_reason: str = ""
    model: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    has_usage: bool = False

    def take_usage(self, usage: Any) -> None:
        """Read an OpenAI usage object, if it is one."""
        if not isinstance(usage, dict):
            return
        self.has_usage = True
        self.tokens_in = _count(usage.get("prompt_tokens"))
        self.tokens_out = _count(usage.get("completion_tokens"))
        details = usage.get("prompt_tokens_details")
        self.tokens_cached = (
            _count(details.get("cached_tokens")) if isinstance(details, dict) else 0
        )


def read_answer(body: bytes) -> Answer:
    """Read a plain chat completion; anything unexpected in it is left out."""
    answer = Answer()
    payload = _json(body)
    answer.model = str(payload.get("model") or "")
    answer.take_usage(payload.get("usage"))
    choice = _first_choice(payload)
    if isinstance(choice.get("message"), dict):
        answer.message = choice["message"]
    answer.finish_reason = str(choice.get("finish_reason") or "")
    return answer


def read_stream(events: Iterable[bytes]) -> Answer:
    """Put a streamed chat completion together from its events (first choice)."""
    answer = Answer()
    text: list[str] = []
    calls: dict[int, Json] = {}
    for event in events:
        payload = _json(data_of(event))
        answer.model = str(payload.get("model") or answer.model)
        answer.take_usage(payload.get("usage"))
        choice = _first_choice(payload)
        answer.finish_reason = str(choice.get("finish_reason") or answer.finish_reason)
        delta = choice.get("delta")
        if isinstance(delta, dict):
            if isinstance(delta.get("content"), str):
                text.append(delta["content"])
            _add_calls(calls, delta.get("tool_calls"))
    answer.message["content"] = "".join(text)
    if calls:
        answer.message["tool_calls"] = [calls[index] for index in sorted(calls)]
    return answer


def error_event(code: str, message: str, request_id: str) -> bytes:
    """Build the one event that tells a client its stream failed half-way."""
    error = {"message": message, "type": "server_error", "code": code, "request_id": request_id}
    return b"data: " + orjson.dumps({"error": error}) + b"\n\n"


def _add_calls(calls: dict[int, Json], deltas: Any) -> None:
    if not isinstance(deltas, list):
        return
    for delta in deltas:
        if not isinstance(delta, dict):
            continue
        call = calls.setdefault(
            _count(delta.get("index")),
            {"id": "", "type": "function", "function": {"name": "", "arguments": ""}},
        )
        call["id"] = delta.get("id") or call["id"]
        function = delta.get("function") or {}
        for part in ("name", "arguments"):
            call["function"][part] += function.get(part) or ""


def _first_choice(payload: Json) -> Json:
    choices = payload.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        return choices[0]
    return {}


def _json(data: bytes) -> Json:
    try:
        payload = orjson.loads(data)
    except orjson.JSONDecodeError:
        return {}
    return payload if isinstance(payload, dict) else {}


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value >= 0 else 0
