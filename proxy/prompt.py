"""Where the directive and the memories go in a chat request (ADR 0031).

The directive comes first and stays the same; the memories go inside the last user message, so
that everything before it is byte-identical to the request before and the provider's prompt cache
holds. Messages are never changed in place.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import orjson

Message = dict[str, Any]
BLOCK_SEPARATOR = "\n\n"


def target_index(messages: Sequence[Message]) -> int | None:
    """Return where the last user message stands; in a tool loop that is before the results."""
    for index in range(len(messages) - 1, -1, -1):
        if messages[index].get("role") == "user":
            return index
    return None


def text_of(message: Message) -> str:
    """Return a message's text; images and files have none."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = (part.get("text") for part in content if isinstance(part, dict))
    return "\n".join(part for part in parts if isinstance(part, str))


def freeze_digest(messages: Sequence[Message], target: int) -> str:
    """Return the SHA-256 (hex) of all messages up to and including the target.

    The same digest means the same step of a tool loop, or a retry: the block stays as it was.
    """
    return hashlib.sha256(orjson.dumps(list(messages[: target + 1]))).hexdigest()


def place_block(
    messages: Sequence[Message], target: int, block: str, position: str
) -> list[Message]:
    """Return the messages with the block of memories at the agent's chosen position."""
    placed = list(messages)
    if position == "system_first":
        return [{"role": "system", "content": block}, *placed]
    if position == "system_before_user":
        return [*placed[:target], {"role": "system", "content": block}, *placed[target:]]
    placed[target] = _with_first_part(placed[target], block)
    return placed


def place_directive(messages: Sequence[Message], text: str, mode: str) -> list[Message]:
    """Return the messages with the directive where its injection mode says."""
    directive = {"role": "system", "content": text}
    if mode == "system_append":
        after = next((i for i, m in enumerate(messages) if m.get("role") not in _SYSTEM), None)
        at = len(messages) if after is None else after
        return [*messages[:at], directive, *messages[at:]]
    first_user = next((i for i, m in enumerate(messages) if m.get("role") == "user"), None)
    if mode == "user_prepend" and first_user is not None:
        placed = list(messages)
        placed[first_user] = _with_first_part(placed[first_user], text)
        return placed
    return [directive, *messages]


_SYSTEM = frozenset({"system", "developer"})


def _with_first_part(message: Message, text: str) -> Message:
    """Put text before a message's own content, be that a string or a list of parts."""
    content = message.get("content")
    if isinstance(content, list):
        return {**message, "content": [{"type": "text", "text": text}, *content]}
    return {**message, "content": f"{text}{BLOCK_SEPARATOR}{content or ''}"}
