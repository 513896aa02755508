"""A turn as the console shows it: bubbles, folded tool calls, and the bytes behind them.

Reading is as lenient as `sessions.bodies`: what cannot be read is said so, and one bad turn never
costs the page. Long texts are cut for display; the raw bodies are whole behind a link.
"""

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sessions import bodies
from sessions.errors import UnreadableBody
from sessions.models import Turn

MAX_SHOWN = 20_000
MAX_RAW_SHOWN = 100_000
MAX_INFLATED = 16 * 1024 * 1024
FOLDED = frozenset({"system", "developer", "tool"})


@dataclass(frozen=True)
class ToolCall:
    """A tool that the model asked for, with the arguments as it wrote them."""

    name: str
    arguments: str


@dataclass(frozen=True)
class Bubble:
    """What one side said. `cut` counts the characters that are not shown."""

    role: str
    text: str
    cut: int = 0
    calls: list[ToolCall] = field(default_factory=list)

    @property
    def is_folded(self) -> bool:
        """Whether it is shown behind a fold: instructions and results of tools."""
        return self.role in FOLDED


@dataclass(frozen=True)
class Raw:
    """The bodies of a turn as text."""

    request: str
    answer: str


def bubbles(turn: Turn) -> list[Bubble] | None:
    """Return what was said in a turn, in order; None when its bytes cannot be read."""
    try:
        said = [_bubble(message) for message in bodies.messages(turn)]
        answer = bodies.answer_text(turn)
        calls = list(_answer_calls(turn))
    except UnreadableBody:
        return None
    shown = [one for one in said if one.text or one.calls]
    return [*shown, _cut("assistant", answer, calls)] if answer or calls else shown


def raw(turn: Turn) -> Raw:
    """Return both bodies, the JSON indented, cut to what a page can hold."""
    return Raw(_readable(turn.request), _readable(turn.completion))


def whole(compressed: bytes | memoryview) -> bytes:
    """Return a stored body as it was; empty when it cannot be read."""
    try:
        return zlib.decompressobj().decompress(bytes(compressed), MAX_INFLATED)
    except zlib.error:
        return b""


def _bubble(message: dict[str, Any]) -> Bubble:
    content = message.get("content")
    calls = [*_calls(message.get("tool_calls")), *_used_tools(content)]
    return _cut(str(message.get("role", "")), bodies.text_of(content) or _results(content), calls)


def _cut(role: str, text: str, calls: list[ToolCall]) -> Bubble:
    text = text.encode("utf-8", "replace").decode()
    return Bubble(role, text[:MAX_SHOWN], max(len(text) - MAX_SHOWN, 0), calls)


def _results(content: Any) -> str:
    """Read the results of tools that Anthropic's clients send as parts of a user message."""
    parts = content if isinstance(content, list) else []
    results = [p for p in parts if isinstance(p, dict) and p.get("type") == "tool_result"]
    return "\n\n".join(bodies.text_of(part.get("content")) for part in results)


def _calls(calls: Any) -> Iterator[ToolCall]:
    """Read tool calls in OpenAI's shape."""
    for call in calls if isinstance(calls, list) else []:
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            yield _tool_call(function.get("name"), function.get("arguments"))


def _used_tools(content: Any) -> Iterator[ToolCall]:
    """Read tool calls in Anthropic's shape."""
    for part in content if isinstance(content, list) else []:
        if isinstance(part, dict) and part.get("type") == "tool_use":
            yield _tool_call(part.get("name"), json.dumps(part.get("input"), ensure_ascii=False))


def _tool_call(name: Any, arguments: Any) -> ToolCall:
    return ToolCall(_printable(name)[:200] or "tool", _printable(arguments)[:MAX_SHOWN])


def _printable(value: Any) -> str:
    return str(value or "").encode("utf-8", "replace").decode()


def _answer_calls(turn: Turn) -> Iterator[ToolCall]:
    body = whole(turn.completion).decode("utf-8", "replace")
    if turn.is_streaming:
        yield from _streamed_calls(body)
        return
    answer = _parse(body)
    choices = answer.get("choices")
    for choice in choices[:1] if isinstance(choices, list) else []:
        message = choice.get("message") if isinstance(choice, dict) else None
        yield from _calls(message.get("tool_calls") if isinstance(message, dict) else None)
    yield from _used_tools(answer.get("content"))


def _streamed_calls(stream: str) -> Iterator[ToolCall]:
    """Put the pieces of streamed tool calls together, by their index."""
    names: dict[int, str] = {}
    arguments: dict[int, str] = {}
    for line in stream.splitlines():
        if not line.startswith(bodies.DATA) or "tool_calls" not in line:
            continue
        choices = _parse(line.removeprefix(bodies.DATA)).get("choices")
        for choice in choices[:1] if isinstance(choices, list) else []:
            delta = choice.get("delta") if isinstance(choice, dict) else None
            pieces = delta.get("tool_calls") if isinstance(delta, dict) else None
            for piece in pieces if isinstance(pieces, list) else []:
                _add_piece(piece, names, arguments)
    for index, name in sorted(names.items()):
        yield _tool_call(name, arguments[index])


def _add_piece(piece: Any, names: dict[int, str], arguments: dict[int, str]) -> None:
    function = piece.get("function") if isinstance(piece, dict) else None
    index = piece.get("index", 0) if isinstance(piece, dict) else None
    if isinstance(function, dict) and isinstance(index, int):
        names[index] = names.get(index, "") + _printable(function.get("name"))
        arguments[index] = arguments.get(index, "") + _printable(function.get("arguments"))


def _parse(text: str) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _readable(compressed: bytes | memoryview) -> str:
    text = whole(compressed).decode("utf-8", "replace")
    if len(text) <= MAX_RAW_SHOWN and (parsed := _parse(text)):
        text = json.dumps(parsed, ensure_ascii=False, indent=2)
    return _printable(text)[:MAX_RAW_SHOWN]
