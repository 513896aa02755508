"""What an archive says: NDJSON, one header and then one line a turn (ADR 0044).

Lines are valid JSON in UTF-8 whatever was said: NUL and lone surrogates, which other stores and
parsers choke on, become U+FFFD, and numbers that JSON has no words for become null.
"""

import json
import math
from typing import Any

import orjson

from sessions.bodies import Said, raw_answer, raw_request, whole_answer, whole_request
from sessions.errors import UnreadableBody
from sessions.models import Session, Turn

SCHEMA_VERSION = 1
UNREADABLE = Said(None)
NUL = b"\\u0000"
REPLACEMENT = "\ufffd"


def header(session: Session, *, version: int, turns: int) -> bytes:
    """Describe the session. The same session and version make the same bytes."""
    return encode(
        {
            "type": "session",
            "schema_version": SCHEMA_VERSION,
            "archive_version": version,
            "org_id": str(session.org_id),
            "agent_id": str(session.agent_id),
            "session_id": str(session.pk),
            "external_id": session.external_id,
            "subject": session.subject,
            "status": session.status,
            "started_at": session.created_at.isoformat(),
            "last_turn_at": session.last_turn_at.isoformat(),
            "completed_at": session.completed_at and session.completed_at.isoformat(),
            "directive_version": session.directive_version,
            "turn_count": turns,
            "tokens_in": session.tokens_in,
            "tokens_out": session.tokens_out,
            "branched_from_id": session.branched_from_id and str(session.branched_from_id),
            "branched_at_turn": session.branched_at_turn,
        }
    )


def turn_line(turn: Turn) -> bytes:
    """Write down one turn.

    `request_raw` and `completion_raw` are the bodies as text, and null where `messages` and
    `completion` already say all. All four are null when the stored bytes cannot be read.
    """
    try:
        return encode(_describe(turn, whole_request(turn), whole_answer(turn)))
    except UnreadableBody:
        return encode(_describe(turn, UNREADABLE, UNREADABLE))
    except RecursionError:  # JSON nested so deep that it can be read, and not be written
        return encode(_describe(turn, raw_request(turn), raw_answer(turn)))


def _describe(turn: Turn, request: Said, answer: Said) -> dict[str, Any]:
    return {
        "type": "turn",
        "index": turn.index,
        "turn_id": str(turn.pk),
        "created_at": turn.created_at.isoformat(),
        "request_id": turn.request_id,
        "messages": request.message,
        "request_raw": request.raw,
        "completion": answer.message,
        "completion_raw": answer.raw,
        "is_streaming": turn.is_streaming,
        "is_complete": turn.is_complete,
        "finish_reason": turn.finish_reason,
        "model": turn.model,
        "provider": turn.provider,
        "tokens_in": turn.tokens_in,
        "tokens_out": turn.tokens_out,
        "tokens_cached": turn.tokens_cached,
        "usage_estimated": turn.usage_estimated,
        "latency_ms": turn.latency_ms,
        "ttfb_ms": turn.ttfb_ms,
        "directive_version": turn.directive_version,
        "injected": turn.injected,
    }


def encode(value: dict[str, Any]) -> bytes:
    """Return one line of JSON, its end included."""
    try:
        line = orjson.dumps(value)
    except TypeError:  # a lone surrogate, a number over 64 bits, or deeper than orjson goes
        line = NUL
    if NUL in line:
        text = json.dumps(_clean(value), ensure_ascii=False, separators=(",", ":"))
        line = text.encode()
    return line + b"\n"


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        text = value.replace("\0", REPLACEMENT)
        return (
            text
            if text.isascii()
            else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        )
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {_clean(name): _clean(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_clean(item) for item in value]
    return value
