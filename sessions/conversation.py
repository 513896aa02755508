"""What was said in a turn, piece by piece, as the console shows it.

Reading is as lenient as `sessions.bodies`: what has no words is named, what has an unknown shape
is shown as it is, and whatever was stored, nothing here is an error.
"""

import json
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from sessions import bodies
from sessions.bodies import Said, text_of
from sessions.errors import UnreadableBody
from sessions.models import Turn

MAX_SHOWN = 20_000
"""Characters of one piece that are shown at once; the rest is loaded on request."""
MAX_SHOWN_OF_TURN = 60_000
MAX_PIECES = 200
MAX_RAW_SHOWN = 100_000
MAX_NAME = 100
MAX_PRETTY = 200_000
"""JSON longer than this is shown as it came."""

INSTRUCTIONS = frozenset({"system", "developer"})
TOOLS = frozenset({"tool", "function"})
KINDS_OF_TOOL_USE = frozenset({"tool_use", "server_tool_use"})
KINDS_OF_THOUGHT = {"thinking": "thinking", "reasoning": "text"}

Kind = Literal["words", "instruction", "result", "call", "thought", "part", "raw"]


@dataclass(frozen=True)
class Piece:
    """Something said, called or attached. `cut` counts the characters that are not shown.

    `number` is its place among the pieces of its turn. `title` names a tool or an attachment.
    """

    kind: Kind
    role: str
    text: str
    title: str = ""
    number: int = 0
    cut: int = 0

    @property
    def size(self) -> int:
        """How many characters it has in all."""
        return len(self.text) + self.cut

    @property
    def outline(self) -> str:
        """A call's arguments on one line."""
        return " ".join(self.text[:200].split())


@dataclass(frozen=True)
class Raw:
    """The bodies of a turn as text, and how many characters of each are not shown."""

    request: str
    answer: str
    request_cut: int
    answer_cut: int


Tools = MutableMapping[str, str]
"""The names of tools by the ids of their calls: a result names only the call."""


def shown_pieces(turn: Turn, tools: Tools) -> tuple[list[Piece], int]:
    """Return a turn's pieces, cut to what a page can hold, and how many more there are.

    Raises `UnreadableBody`.
    """
    pieces = all_pieces(turn, tools)
    room, shown = MAX_SHOWN_OF_TURN, []
    for piece in pieces[:MAX_PIECES]:
        fits = min(MAX_SHOWN, max(room, 0))
        shown.append(replace(piece, text=piece.text[:fits], cut=max(len(piece.text) - fits, 0)))
        room -= min(len(piece.text), fits)
    return shown, max(len(pieces) - MAX_PIECES, 0)


def all_pieces(turn: Turn, tools: Tools | None = None) -> list[Piece]:
    """Return everything of a turn in order, whole. Raises `UnreadableBody`."""
    known: Tools = {} if tools is None else tools
    said = [*_request(bodies.whole_request(turn), known), *_answer(turn, known)]
    return [replace(piece, number=number) for number, piece in enumerate(said)]


def user_words(pieces: list[Piece]) -> str:
    """Return how the user's side begins; empty when nothing was said in words."""
    for piece in pieces:
        if piece.kind == "words" and piece.role == "user" and piece.text.strip():
            return piece.text
    return ""


def raw(turn: Turn) -> Raw:
    """Return both bodies, the JSON indented, cut to what a page can hold. Never raises."""
    request, answer = _body(turn, "request"), _body(turn, "answer")
    return Raw(
        request[:MAX_RAW_SHOWN],
        answer[:MAX_RAW_SHOWN],
        max(len(request) - MAX_RAW_SHOWN, 0),
        max(len(answer) - MAX_RAW_SHOWN, 0),
    )


def whole_body(turn: Turn, part: str) -> bytes:
    """Return a stored body as it was; empty when it cannot be read."""
    try:
        return bodies.stored_bytes(turn, part)
    except UnreadableBody:
        return b""


def printable(value: Any) -> str:
    """Write a value so that any page can hold it: no NUL, no lone surrogate."""
    text = value if isinstance(value, str) else "" if value is None else str(value)
    return text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")


def _request(said: Said, tools: Tools) -> Iterator[Piece]:
    if said.raw is not None:
        yield Piece("raw", "user", printable(_pretty_text(said.raw)), "Request")
    for message in said.message or []:
        if isinstance(message, dict):
            yield from _message(message, tools)
        else:
            yield Piece("raw", "user", _json(message), "Message")


def _answer(turn: Turn, tools: Tools) -> Iterator[Piece]:
    said = bodies.whole_answer(turn)
    if isinstance(said.message, dict) and said.message:
        yield from _message({"role": "assistant", **said.message}, tools)
    if said.raw is None:
        return
    native = _anthropic(said.raw)
    if native and not said.message:
        yield from _message(native, tools)
    else:
        title = "The whole answer" if said.message else "Answer"
        yield Piece("raw", "assistant", printable(_pretty_text(said.raw)), title)


def _anthropic(text: str) -> dict[str, Any] | None:
    """Return an answer of Anthropic's shape as a message; None for any other."""
    body = _parse(text)
    if isinstance(body, dict) and body.get("type") == "message" and "content" in body:
        return {"role": "assistant", "content": body["content"]}
    return None


def _message(message: dict[str, Any], tools: Tools) -> Iterator[Piece]:
    role = printable(message.get("role"))[:MAX_NAME]
    if thought := message.get("reasoning_content"):
        yield Piece("thought", role, printable(thought))
    yield from _content(message.get("content"), role, _result_name(message, tools), tools)
    if refusal := message.get("refusal"):
        yield Piece("words", role, printable(refusal), "Refusal")
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else []:
        yield _call(call, role, tools)
    if isinstance(message.get("function_call"), dict):
        yield _call({"function": message["function_call"]}, role, tools)
    if isinstance(message.get("audio"), dict):
        yield Piece("part", role, printable(message["audio"].get("transcript")), "Audio")


def _content(content: Any, role: str, tool: str, tools: Tools) -> Iterator[Piece]:
    if content is None or content == "":
        return
    if isinstance(content, str):
        yield _words(content, role, tool)
    elif isinstance(content, list):
        for part in content:
            yield _part(part, role, tool, tools)
    else:
        yield Piece("raw", role, _json(content), "Content")


def _words(text: str, role: str, tool: str) -> Piece:
    if role in TOOLS:
        return Piece("result", role, printable(_pretty_text(text)), tool)
    return Piece("instruction" if role in INSTRUCTIONS else "words", role, printable(text))


def _part(part: Any, role: str, tool: str, tools: Tools) -> Piece:
    """Show one part of a message's content, in OpenAI's or Anthropic's shape."""
    if isinstance(part, str):
        return _words(part, role, tool)
    if not isinstance(part, dict):
        return Piece("raw", role, _json(part), "Part")
    if text := text_of([part]):
        return _words(text, role, tool)
    return _wordless(printable(part.get("type")), part, role, tools)


def _wordless(kind: str, part: dict[str, Any], role: str, tools: Tools) -> Piece:
    """Show a part that is no text: a use of a tool, its result, a thought, or an attachment."""
    if kind == "refusal":
        return Piece("words", role, printable(part.get("refusal")), "Refusal")
    if kind in KINDS_OF_THOUGHT:
        return Piece("thought", role, printable(part.get(KINDS_OF_THOUGHT[kind])))
    if kind in KINDS_OF_TOOL_USE:
        function = {"name": part.get("name"), "arguments": part.get("input")}
        return _call({"id": part.get("id"), "function": function}, role, tools)
    if kind == "tool_result":
        return _result(part, role, tools)
    return Piece("part", role, "", _described(kind, part))


def _result(part: dict[str, Any], role: str, tools: Tools) -> Piece:
    content = part.get("content")
    text = content if isinstance(content, str) else text_of(content) or _json(content)
    name = tools.get(printable(part.get("tool_use_id")), "")
    return Piece("result", role, printable(_pretty_text(text)), name)


def _call(call: Any, role: str, tools: Tools) -> Piece:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        return Piece("call", role, _json(call), "tool")
    name = printable(function.get("name"))[:MAX_NAME] or "tool"
    tools[printable(call.get("id"))] = name
    arguments = function.get("arguments")
    text = _pretty_text(arguments) if isinstance(arguments, str) else _json(arguments)
    return Piece("call", role, printable(text), name)


def _result_name(message: dict[str, Any], tools: Tools) -> str:
    named = printable(message.get("name"))[:MAX_NAME]
    return named or tools.get(printable(message.get("tool_call_id")), "")


def _described(kind: str, part: dict[str, Any]) -> str:
    """Name an attachment: what it is, its type and size, or where it lies. It is never loaded."""
    name = kind.removeprefix("input_").removesuffix("_url").replace("_", " ")[:MAX_NAME] or "part"
    inside = part.get(kind) if isinstance(part.get(kind), dict) else part.get("source", part)
    inside = inside if isinstance(inside, dict) else part
    facts = [
        printable(inside.get(key))[:MAX_NAME]
        for key in ("filename", "format", "media_type", "file_id", "detail")
        if isinstance(inside.get(key), str)
    ]
    return ", ".join([name.capitalize(), *facts, *_place(inside)])


def _place(inside: dict[str, Any]) -> Iterator[str]:
    for key in ("url", "image_url", "data", "file_data"):
        value = inside.get(key)
        if isinstance(value, str) and value:
            head, comma, data = value.partition(",")
            if key in {"data", "file_data"} or head.startswith("data:"):
                if comma and head.startswith("data:"):
                    yield printable(head.removeprefix("data:").split(";")[0])[:MAX_NAME]
                yield f"about {len(data or value) * 3 // 4:,} bytes"
            else:
                yield f"at {printable(value)[:300]}"


def _body(turn: Turn, part: str) -> str:
    text = whole_body(turn, part).decode("utf-8", "replace")
    return printable(_pretty_text(text))


def _pretty_text(text: str) -> str:
    """Indent what is JSON; everything else stays as it is."""
    if len(text) > MAX_PRETTY or not text.lstrip().startswith(("{", "[")):
        return text
    parsed = _parse(text)
    return text if parsed is None else _json(parsed)


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _json(value: Any) -> str:
    try:
        return printable(json.dumps(value, ensure_ascii=False, indent=2))
    except (ValueError, RecursionError):
        return "It is nested too deeply to be shown."
