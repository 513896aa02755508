"""Reading what the recorder stored: the words of a turn, out of its compressed bytes.

Bodies are kept as they were sent and received, so reading is lenient: a partial stream, a lone
surrogate or an unknown part yields what can be read, and never an error of its own. Only bytes
that the recorder cannot have written raise `UnreadableBody`.
"""

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sessions.deltas import Pieces
from sessions.errors import UnreadableBody
from sessions.models import Turn

MAX_BODY_BYTES = 64 * 1024 * 1024
TEXT_PARTS = frozenset({"text", "input_text", "output_text"})
DATA = "data:"
DONE = "[DONE]"


@dataclass(frozen=True)
class Said:
    """One side of a turn in full; `raw` is the whole body where `message` is not all of it."""

    message: Any
    raw: str | None = None


def messages(turn: Turn) -> list[dict[str, Any]]:
    """Return the request's new messages, as the client sent them."""
    found = _parse(_inflate(turn, turn.request)).get("messages")
    return [message for message in found or [] if isinstance(message, dict)]


def user_text(turn: Turn) -> str:
    """Return what the user said: the text parts of new user messages, a blank line between.

    System, developer, assistant and tool messages are left out, and so are tool results inside
    user messages.
    """
    texts = [text_of(m.get("content")) for m in messages(turn) if m.get("role") == "user"]
    return "\n\n".join(text for text in texts if text.strip())


def answer_text(turn: Turn) -> str:
    """Return the text of the answer's first choice, streamed or not; empty for tool calls."""
    raw = _as_text(_inflate(turn, turn.completion))
    if turn.is_streaming:
        return "".join(text_of(_first_choice(event).get("delta")) for event in _events(raw))
    return text_of(_first_choice(_parse(raw)).get("message"))


def whole_request(turn: Turn) -> Said:
    """Return the request's new messages, and the body itself if it holds no list of them."""
    raw = _inflate(turn, turn.request)
    found = _parse(raw).get("messages")
    return Said(found) if isinstance(found, list) else Said([], _as_text(raw))


def whole_answer(turn: Turn) -> Said:
    """Return the answer's message, streamed or not; the body too unless that is all it says.

    It is not when there are several choices, or none: an error, or another API's shape.
    """
    raw = _inflate(turn, turn.completion)
    text = _as_text(raw)
    message: Any
    if turn.is_streaming:
        pieces, is_all = Pieces(), True
        for event in _events(text):
            pieces.add(_first_choice(event).get("delta"))
            is_all = is_all and not _has_more_choices(event)
        message = pieces.whole()
    else:
        body = _parse(raw)
        message = _first_choice(body).get("message")
        is_all = not _has_more_choices(body)
    if isinstance(message, dict) and message and is_all:
        return Said(message)
    return Said(message or None, text or None)


def request_body(turn: Turn) -> dict[str, Any]:
    """Return the request with its settings and new messages. Raises `UnreadableBody`."""
    return _parse(_inflate(turn, turn.request))


def stored_bytes(turn: Turn, part: str) -> bytes:
    """Return one body, `request` or `answer`, as it was. Raises `UnreadableBody`."""
    return _inflate(turn, turn.request if part == "request" else turn.completion)


def raw_request(turn: Turn) -> Said:
    """Return the request as text alone."""
    return Said(None, _as_text(_inflate(turn, turn.request)))


def raw_answer(turn: Turn) -> Said:
    """Return the answer as text alone."""
    return Said(None, _as_text(_inflate(turn, turn.completion)))


def text_of(content: Any) -> str:
    """Return the text of a message, of its `content`, or of a streamed piece of it."""
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        return text_of(content.get("content"))
    if not isinstance(content, list):
        return ""
    parts = (part for part in content if isinstance(part, dict) and part.get("type") in TEXT_PARTS)
    return "\n".join(part["text"] for part in parts if isinstance(part.get("text"), str))


def _first_choice(body: dict[str, Any]) -> dict[str, Any]:
    choices = body.get("choices")
    for choice in choices if isinstance(choices, list) else []:
        if isinstance(choice, dict) and choice.get("index", 0) == 0:
            return choice
    return {}


def _has_more_choices(body: dict[str, Any]) -> bool:
    choices = body.get("choices")
    listed = choices if isinstance(choices, list) else []
    return any(isinstance(choice, dict) and choice.get("index", 0) != 0 for choice in listed)


def _events(stream: str) -> Iterator[dict[str, Any]]:
    """Read the events of a stream in order; a last one that was cut short is left out."""
    for line in stream.splitlines():
        data = line.removeprefix(DATA).strip()
        if line.startswith(DATA) and data != DONE:
            yield _parse(data)


def _parse(raw: bytes | str) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _as_text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _inflate(turn: Turn, compressed: bytes | memoryview) -> bytes:
    try:
        return zlib.decompressobj().decompress(bytes(compressed), MAX_BODY_BYTES)
    except zlib.error as error:
        raise UnreadableBody(turn.pk) from error
