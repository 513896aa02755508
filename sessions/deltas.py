"""Putting the message of a streamed answer together from its pieces."""

from typing import Any

ONCE = frozenset({"role", "id", "type", "name", "index"})
"""Texts that some providers repeat in every piece; everywhere else texts are continued."""


class Pieces:
    """A message, or a tool call of one, as its pieces arrive.

    Pieces of a text are kept apart until the end: adding them up one by one would copy a long
    answer as often as it has pieces.
    """

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}
        self._texts: dict[str, list[str]] = {}
        self._calls: dict[Any, Pieces] = {}
        self._function: Pieces | None = None

    def add(self, piece: Any) -> None:
        """Take one more piece; what is null, or no piece at all, says nothing."""
        for name, value in piece.items() if isinstance(piece, dict) else ():
            if name == "tool_calls" and isinstance(value, list):
                self._add_calls(value)
            elif name in {"function", "function_call"} and isinstance(value, dict):
                self._function = self._function or Pieces()
                self._values.setdefault(name, None)
                self._function.add(value)
            elif isinstance(value, str) and name not in ONCE:
                self._texts.setdefault(name, []).append(value)
                self._values.setdefault(name, None)
            elif value is not None:
                self._values.setdefault(name, value)

    def whole(self) -> dict[str, Any]:
        """Return what the pieces make together, in the order in which things first appeared."""
        made = dict(self._values)
        made |= {name: "".join(texts) for name, texts in self._texts.items()}
        for name in ("function", "function_call"):
            if name in made and self._function:
                made[name] = self._function.whole()
        if self._calls:
            calls = [call.whole() for call in self._calls.values()]
            made["tool_calls"] = [{k: v for k, v in c.items() if k != "index"} for c in calls]
        return made

    def _add_calls(self, calls: list[Any]) -> None:
        for position, call in enumerate(calls):
            if isinstance(call, dict):
                key = str(call.get("index", position))
                self._calls.setdefault(key, Pieces()).add(call)
