"""The prompt of a turn by its parts, put together again from what was recorded.

A turn keeps its new messages and settings, the ids of what was injected and the directive's
number, not the prompt itself. So texts are exact where they were kept; the block's nonce was not,
and what earlier turns weighed is what remains of the provider's count.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from context.formatting import INTRODUCTION, NAME, format_item, in_order
from directives.models import DirectiveVersion
from memories.retrieval import Candidate, estimate_tokens
from sessions import bodies
from sessions.conversation import INSTRUCTIONS, MAX_RAW_SHOWN, printable
from sessions.errors import UnreadableBody
from sessions.models import Turn

TAG = f"{NAME}(a nonce that is not kept)"
SETTINGS = ("tools", "functions")


@dataclass(frozen=True)
class PromptPart:
    """One part of a prompt. `kind` is its colour; `text` is None where it was not kept."""

    kind: str
    name: str
    tokens: int
    text: str | None = None
    note: str = ""
    at: float = 0.0
    width: float = 0.0

    @property
    def percent(self) -> int:
        """Its share of the prompt."""
        return round(self.width)


@dataclass(frozen=True)
class Prompt:
    """The parts in order, each with its place on a bar that is 100 wide; `tokens` in all."""

    parts: list[PromptPart]
    tokens: int
    cached: int
    is_estimated: bool

    @property
    def cached_percent(self) -> int:
        """How much of it the provider's cache held."""
        return round(100 * self.cached / self.tokens) if self.tokens else 0

    @property
    def words(self) -> str:
        """What the bar shows, for those who do not see it."""
        return ", ".join(f"{part.name} {part.tokens:,} tokens" for part in self.parts)


def block_text(items: Sequence[Candidate]) -> str:
    """Write the block of memories as the model saw it, but for its nonce; empty for no items."""
    if not items:
        return ""
    lines = [f"<{TAG}>", INTRODUCTION, *map(format_item, in_order(items)), f"</{TAG}>"]
    return "\n".join(lines)


def read_prompt(turn: Turn, block: str, block_tokens: int, known: int) -> Prompt:
    """Divide a turn's prompt into its parts; `known` is how much was searched for the block."""
    body = _request_body(turn)
    messages = [m for m in body.get("messages") or [] if isinstance(m, dict)]
    standing = [
        *_messages(messages, "system", "System message", INSTRUCTIONS),
        *_directive(turn),
        *_tools(body),
    ]
    new = _new(messages)
    if block:
        name = f"Memories, {_items(turn)} of {known}" if known else "Memories"
        note = "Inside the last user message, unless the agent places it elsewhere."
        tokens = block_tokens or estimate_tokens(block)
        new.insert(max(len(new) - 1, 0), PromptPart("memory", name, tokens, block, note))
    return _placed(turn, [*standing, *_history(turn, [*standing, *new]), *new])


def _history(turn: Turn, others: Iterable[PromptPart]) -> list[PromptPart]:
    """Return what earlier turns weighed: what remains of the count."""
    rest = turn.tokens_in - sum(part.tokens for part in others)
    if not turn.index or rest <= 0:
        return []
    note = "What remains of the provider's count; the words stand in the turns before this one."
    return [PromptPart("history", "Earlier turns", rest, None, note)]


def _directive(turn: Turn) -> list[PromptPart]:
    if turn.directive_version is None:
        return []
    name = f"Directive, version {turn.directive_version}"
    version = DirectiveVersion.objects.filter(
        org=turn.org_id, directive__agent=turn.agent_id, number=turn.directive_version
    ).first()
    if version is None:
        return [PromptPart("directive", name, 0, None, "This version is gone.")]
    return [PromptPart("directive", name, estimate_tokens(version.content), version.content)]


def _messages(
    messages: list[dict[str, Any]], kind: str, name: str, roles: frozenset[str]
) -> list[PromptPart]:
    chosen = [message for message in messages if message.get("role") in roles]
    return [_of_messages(kind, name, chosen)] if chosen else []


def _tools(body: dict[str, Any]) -> list[PromptPart]:
    given = {name: body[name] for name in SETTINGS if body.get(name)}
    if not given:
        return []
    text = printable(json.dumps(given, ensure_ascii=False, indent=2))
    compact = printable(json.dumps(given, ensure_ascii=False))
    return [PromptPart("tools", "Tool definitions", estimate_tokens(compact), text[:MAX_RAW_SHOWN])]


def _new(messages: list[dict[str, Any]]) -> list[PromptPart]:
    """Return the new messages: those around the last user message, and that one last."""
    said = [message for message in messages if message.get("role") not in INSTRUCTIONS]
    users = [index for index, message in enumerate(said) if message.get("role") == "user"]
    if not users:
        return [_of_messages("user", "New messages", said)] if said else []
    last = said.pop(users[-1])
    others = [_of_messages("other", "Other new messages", said)] if said else []
    return [*others, _of_messages("user", "Last user message", [last])]


def _of_messages(kind: str, name: str, messages: list[dict[str, Any]]) -> PromptPart:
    text = printable("\n\n".join(map(_text, messages)))
    return PromptPart(kind, name, estimate_tokens(text), text[:MAX_RAW_SHOWN])


def _text(message: dict[str, Any]) -> str:
    """Return a message's words, and as JSON what else it says."""
    words = bodies.text_of(message.get("content"))
    left_out = {"role", "content"} if words else {"role"}
    rest = {name: value for name, value in message.items() if name not in left_out}
    return "\n".join(filter(None, [words, json.dumps(rest, ensure_ascii=False) if rest else ""]))


def _placed(turn: Turn, parts: list[PromptPart]) -> Prompt:
    """Lay the parts one after the other on a bar."""
    total = sum(part.tokens for part in parts)
    placed, at = [], 0.0
    for part in parts:
        width = 100 * part.tokens / total if total else 0.0
        placed.append(replace(part, at=round(at, 2), width=round(width, 2)))
        at += width
    tokens = turn.tokens_in or total
    return Prompt(placed, tokens, turn.tokens_cached, turn.usage_estimated)


def _request_body(turn: Turn) -> dict[str, Any]:
    try:
        return bodies.request_body(turn)
    except UnreadableBody:
        return {}


def _items(turn: Turn) -> int:
    return len(turn.injected) if isinstance(turn.injected, list) else 0
