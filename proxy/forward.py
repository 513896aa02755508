"""Hands requests on to the Django roles: the memory API always, the rest in development.

In production a console does not belong on the data port: `IBEX_FORWARD` is off unless asked for.
"""

from typing import Any

import aiohttp

from proxy.config import Config
from proxy.errors import ProxyError
from proxy.http import HOP_BY_HOP, Request
from proxy.sockets import REFUSED, forward_socket

OWN_PREFIXES = ("/v1/", "/mcp")
MEMORY_PREFIX = "/v1/memories"
OURS = HOP_BY_HOP | {"x-request-id"}


class Forwarder:
    """A plain reverse proxy over one client session."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._client: aiohttp.ClientSession | None = None

    def target(self, path: str) -> str | None:
        """Return the base URL that serves a path, or None when the proxy answers itself."""
        if path == MEMORY_PREFIX or path.startswith(f"{MEMORY_PREFIX}/"):
            return self._config.memory_url or None
        if not self._config.forward or path == "/v1" or path.startswith(OWN_PREFIXES):
            return None
        if path.startswith(("/api/", "/ws/")) or path in {"/api", "/ws"}:
            return self._config.api_url or None
        return self._config.dashboard_url or None

    async def forward(self, request: Request, target: str) -> None:
        """Send the request on and the answer back. Raises SERVICE_DEGRADED when it is away."""
        body = await request.body()
        query = f"?{request.query.decode('latin-1')}" if request.query else ""
        headers = {k: v for k, v in request.headers.items() if k not in OURS}
        headers |= {"x-request-id": request.request_id, "x-forwarded-for": request.client_ip}
        try:
            async with self._session().request(
                request.method,
                f"{target}{request.path}{query}",
                data=body,
                headers=headers,
                allow_redirects=False,
            ) as response:
                content = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            message = "The service behind this path is not available; try again shortly."
            retry = {"retry-after": "2"}
            raise ProxyError(503, "SERVICE_DEGRADED", message, headers=retry) from error
        kept = [(k, v) for k, v in response.headers.items() if k.lower() not in OURS]
        await request.start(response.status, [*kept, ("content-length", str(len(content)))])
        await request.write(content, more=False)

    async def forward_socket(self, scope: Any, receive: Any, send: Any) -> None:
        """Relay a WebSocket, or refuse it where nothing is forwarded."""
        target = self.target(scope["path"])
        if target is None:
            await receive()
            await send({"type": "websocket.close", "code": REFUSED})
            return
        await forward_socket(self._session(), target, scope, receive, send)

    async def close(self) -> None:
        """Close all connections."""
        if self._client:
            await self._client.close()

    def _session(self) -> aiohttp.ClientSession:
        if self._client is None:
            self._client = aiohttp.ClientSession(
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=30, connect=2),
            )
        return self._client
