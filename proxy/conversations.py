"""Which session a request belongs to: the one it names, or the one its history continues.

A conversation without a session id is recognised by a chained hash over what was said in it:
role and content of every message but system ones, then the answer that was returned. The digest
names a node; the next request whose history has this digest continues the node's session.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from ibex.ids import uuid7
from proxy.errors import invalid
from proxy.http import Request
from proxy.store import Route

MAX_EXTERNAL_ID = 64
MAX_SUBJECT = 128
SYSTEM_ROLES = frozenset({"system", "developer"})
Message = dict[str, Any]


@dataclass(frozen=True)
class Conversation:
    """The session of one request. `session_id` is proposed when `is_new`: the row may not exist."""

    session_id: UUID
    external_id: str
    is_new: bool
    branched_from: UUID | None = None
    branched_at_turn: int | None = None


def read_external_id(request: Request) -> str | None:
    """Return the session the client names. Raises VALIDATION_ERROR for an unusable one."""
    given = request.headers.get("x-ibex-session-id", "").strip()
    if len(given) > MAX_EXTERNAL_ID or not given.isprintable():
        raise invalid("`X-IBEX-Session-ID` has at most 64 printable characters.")
    return given or None


def read_subject(request: Request, body: dict[str, Any]) -> str | None:
    """Return the end user: the header, else `safety_identifier`, else `user` of the body."""
    candidates = (
        request.headers.get("x-ibex-subject-id", "").strip(),
        body.get("safety_identifier"),
        body.get("user"),
    )
    given = next((c for c in candidates if isinstance(c, str) and c.strip()), "").strip()
    if len(given) > MAX_SUBJECT or not given.isprintable():
        raise invalid("A subject has at most 128 printable characters.", param="user")
    return given or None


def digest_of(messages: Iterable[Message], start: bytes = b"") -> bytes:
    """Return the chained SHA-256 over the messages that are not system ones."""
    digest = start
    for message in messages:
        if message.get("role") not in SYSTEM_ROLES:
            digest = hashlib.sha256(digest + _canonical(message)).digest()
    return digest


def history_digest(messages: Sequence[Message]) -> bytes | None:
    """Return the digest through the last answer in the messages; None when there is none."""
    last = last_answer_index(messages)
    return None if last is None else digest_of(messages[: last + 1])


def last_answer_index(messages: Sequence[Message]) -> int | None:
    """Return where the last assistant message stands, or None."""
    for index in range(len(messages) - 1, -1, -1):
        if messages[index].get("role") == "assistant":
            return index
    return None


def new_messages(messages: Sequence[Message], *, is_new_session: bool) -> list[Message]:
    """Return what this request adds: all of a first request, else what follows the last answer."""
    last = last_answer_index(messages)
    if last is None or is_new_session:
        return list(messages)
    return list(messages[last + 1 :])


def named(route: Route, external_id: str) -> Conversation:
    """Return the session that the client names, existing or proposed."""
    if route.session_id is not None:
        return Conversation(route.session_id, external_id, is_new=False)
    return Conversation(uuid7(), external_id, is_new=True)


def started(branched_from: UUID | None = None, at_turn: int | None = None) -> Conversation:
    """Return a session that IBEX starts; its uuid is its external id too."""
    session_id = uuid7()
    return Conversation(session_id, str(session_id), True, branched_from, at_turn)


def _canonical(message: Message) -> bytes:
    """Render what identifies a message, whatever else a client echoes along with it."""
    calls = message.get("tool_calls") or []
    essence = [
        message.get("role"),
        _content(message.get("content")),
        [_call(call) for call in calls if isinstance(call, dict)],
        message.get("tool_call_id"),
    ]
    return orjson.dumps(essence, option=orjson.OPT_SORT_KEYS)


def _content(content: Any) -> Any:
    """Treat no content, empty content and a single text part alike."""
    if isinstance(content, list) and all(isinstance(p, dict) and "text" in p for p in content):
        return "".join(str(part["text"]) for part in content)
    return content or ""


def _call(call: Message) -> list[Any]:
    function = call.get("function") or {}
    return [call.get("id"), function.get("name"), function.get("arguments")]
