"""`/healthz`, `/readyz` and `/metrics`, the same in every process.

Liveness touches nothing. Readiness runs every check live, in parallel, each for at most 500 ms.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest

CHECK_TIMEOUT_S = 0.5
PATHS = frozenset({"/healthz", "/readyz", "/metrics"})

Check = Callable[[], Awaitable[None]]
"""A readiness check: returns when the dependency answers, raises when it does not."""


@dataclass
class Health:
    """An ASGI application for the three health paths of one process.

    `critical` checks make the process unready (503) when they fail; the others only degrade it.
    """

    critical: Mapping[str, Check] = field(default_factory=dict)
    soft: Mapping[str, Check] = field(default_factory=dict)
    registry: CollectorRegistry = REGISTRY

    async def readiness(self) -> tuple[int, dict[str, Any]]:
        """Run all checks; return the HTTP status and the body."""
        names = [*self.critical, *self.soft]
        runs = [_run(check) for check in (*self.critical.values(), *self.soft.values())]
        results = dict(zip(names, await asyncio.gather(*runs), strict=True))
        failed = {name for name, result in results.items() if result["status"] != "ok"}
        if failed & set(self.critical):
            return 503, {"status": "unhealthy", "checks": results}
        return 200, {"status": "degraded" if failed else "ok", "checks": results}

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        """Answer one HTTP request to a health path; any other path is 404."""
        status, content_type, body = await self._answer(scope["method"], scope["path"])
        headers = [(b"content-type", content_type.encode()), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send(
            {"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body}
        )

    async def _answer(self, method: str, path: str) -> tuple[int, str, bytes]:
        if path not in PATHS:
            return 404, "application/json", b'{"status":"not found"}'
        if method not in {"GET", "HEAD"}:
            return 405, "application/json", b'{"status":"method not allowed"}'
        if path == "/healthz":
            return 200, "application/json", b'{"status":"ok"}'
        if path == "/metrics":
            return 200, CONTENT_TYPE_LATEST, generate_latest(self.registry)
        status, body = await self.readiness()
        return status, "application/json", orjson.dumps(body)


async def _run(check: Check) -> dict[str, Any]:
    started = time.perf_counter()
    try:
        await asyncio.wait_for(check(), CHECK_TIMEOUT_S)
        status = "ok"
    except TimeoutError:
        status = "timeout"
    except Exception as error:  # noqa: BLE001 - a failing dependency may raise anything at all
        status = f"failed: {type(error).__name__}"
    return {"status": status, "latency_ms": round((time.perf_counter() - started) * 1000, 2)}
