"""`Idempotency-Key`: the same key and body answer once, and are answered the same (ADR 0014)."""

import base64
import hashlib
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
import redis.asyncio
from redis.exceptions import RedisError

from proxy.errors import NEVER_RETRY, ProxyError, degraded, invalid

MAX_KEY = 256
PENDING_S = 9 * 60
DONE_S = 24 * 60 * 60


@dataclass(frozen=True)
class StoredAnswer:
    """An answer given before: status, headers and body as they were."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Claim:
    """The right to answer a key; settled or released when the answer is known."""

    redis: redis.asyncio.Redis
    key: str
    fingerprint: str

    async def settle(self, status: int, headers: dict[str, str], body: bytes) -> None:
        """Keep the answer for a day. 429 and 5xx release the claim: a retry may do better."""
        try:
            if status == 429 or status >= 500:  # noqa: PLR2004 - what a retry may change
                await self.redis.delete(self.key)
                return
            stored = {
                "state": "done",
                "fingerprint": self.fingerprint,
                "status": status,
                "headers": headers,
                "body": base64.b64encode(body).decode(),
            }
            await self.redis.set(self.key, orjson.dumps(stored), ex=DONE_S)
        except (RedisError, OSError, TimeoutError):
            return  # the answer stands; a repeat within the pending time is refused

    async def release(self) -> None:
        """Let the next attempt try."""
        await self.settle(503, {}, b"")


async def claim(
    client: redis.asyncio.Redis, org_id: UUID, agent_id: UUID, key: str, body: bytes
) -> Claim | StoredAnswer:
    """Claim a key, or return its stored answer.

    Raises IDEMPOTENCY_KEY_REUSE for another body and IDEMPOTENCY_IN_PROGRESS while the first
    attempt runs (both 409), SERVICE_DEGRADED when Redis is away.
    """
    if len(key) > MAX_KEY:
        raise invalid("`Idempotency-Key` has at most 256 characters.")
    name = f"{org_id}:idempotency:{hashlib.sha256(key.encode()).hexdigest()}"
    fingerprint = hashlib.sha256(agent_id.bytes + body).hexdigest()
    pending = orjson.dumps({"state": "pending", "fingerprint": fingerprint})
    try:
        if await client.set(name, pending, nx=True, ex=PENDING_S):
            return Claim(client, name, fingerprint)
        found = await client.get(name)
    except (RedisError, OSError, TimeoutError) as error:
        raise degraded("Idempotency") from error
    stored: dict[str, Any] = (
        orjson.loads(found) if found else {"state": "pending", "fingerprint": fingerprint}
    )
    if stored["fingerprint"] != fingerprint:
        raise _conflict(
            "IDEMPOTENCY_KEY_REUSE", "This idempotency key was used for another request."
        )
    if stored["state"] == "pending":
        raise _conflict("IDEMPOTENCY_IN_PROGRESS", "The first request with this key still runs.")
    return StoredAnswer(stored["status"], stored["headers"], base64.b64decode(stored["body"]))


def _conflict(code: str, message: str) -> ProxyError:
    return ProxyError(409, code, message, headers=NEVER_RETRY)
