"""What is recorded of one call: its numbers, and the two bodies of its turn."""

import base64
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from ibex.ids import uuid7

COMPRESSION_LEVEL = 1


@dataclass
class CallRecord:
    """One call. With `is_turn` it becomes a turn of its session; without, only a request record.

    Bodies are zlib-compressed; every other field goes into the database as it is.
    """

    org_id: UUID
    agent_id: UUID
    session_id: UUID
    external_id: str
    subject: str | None
    request_id: str
    model: str
    provider: str
    is_streaming: bool
    is_turn: bool = True
    turn_id: UUID = field(default_factory=uuid7)
    record_id: UUID = field(default_factory=uuid7)
    node_id: UUID = field(default_factory=uuid7)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    branched_from: UUID | None = None
    branched_at_turn: int | None = None
    is_complete: bool = True
    finish_reason: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    usage_estimated: bool = False
    latency_ms: float = 0.0
    ttfb_ms: float | None = None
    overhead_ms: float | None = None
    context_ms: float | None = None
    context_level: str = ""
    memories_injected: int = 0
    context_tokens: int = 0
    directive_version: int | None = None
    injected: list[dict[str, Any]] = field(default_factory=list)
    assembly: dict[str, Any] | None = None
    skip_extraction: bool = False
    status: int = 200
    error_code: str = ""
    ends: bool = False
    node: str | None = None
    request: bytes = b""
    completion: bytes = b""

    def set_request(self, body: dict[str, Any], new: list[dict[str, Any]]) -> None:
        """Keep the request with only its new messages, compressed."""
        self.request = zlib.compress(orjson.dumps({**body, "messages": new}), COMPRESSION_LEVEL)

    def set_completion(self, raw: bytes) -> None:
        """Keep the answer's bytes as they came, compressed."""
        self.completion = zlib.compress(raw, COMPRESSION_LEVEL)

    def columns(self, n: int) -> dict[str, Any]:
        """Return all but the bodies, as JSON values, numbered within their group from 1."""
        values = {k: v for k, v in self.__dict__.items() if k not in {"request", "completion"}}
        return {**values, "n": n}

    def to_line(self) -> bytes:
        """Write the record as one line of JSON, for the spool."""
        bodies = {
            "request": base64.b64encode(self.request).decode(),
            "completion": base64.b64encode(self.completion).decode(),
        }
        return orjson.dumps({**self.__dict__, **bodies}) + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> "CallRecord":
        """Read a record back from its line. Raises `ValueError` for a line cut short."""
        values = orjson.loads(line)
        for name in ("org_id", "agent_id", "session_id", "turn_id", "record_id", "node_id"):
            values[name] = UUID(values[name])
        if values["branched_from"]:
            values["branched_from"] = UUID(values["branched_from"])
        values["at"] = datetime.fromisoformat(values["at"])
        for name in ("request", "completion"):
            values[name] = base64.b64decode(values[name])
        return cls(**values)
