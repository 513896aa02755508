"""The ASGI application of the data plane: routes, errors and life cycle, without a framework."""

from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from ibex.health import PATHS, Health
from proxy import chat, metrics
from proxy.config import read_config
from proxy.errors import ProxyError
from proxy.http import ClientLeft, Request
from proxy.services import Services
from proxy.termination import external_id_of, terminate

log = structlog.get_logger(__name__)

CHAT_PATH = "/v1/chat/completions"
Handler = Callable[[], Awaitable[None]]


class Application:
    """One proxy process."""

    def __init__(self) -> None:
        self.config = read_config()
        self.services: Services | None = None
        self.health = Health()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve the lifespan protocol, or one HTTP request."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            if scope["path"] in PATHS:
                await self.health(scope, receive, send)
                return
            await self._http(Request.from_scope(scope, receive, send, self.config.trusted_proxies))
        elif self.services:
            await self.services.forwarder.forward_socket(scope, receive, send)

    async def _lifespan(self, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self._open()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                if self.services:
                    await self.services.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _open(self) -> None:
        services = Services(self.config)
        await services.open()
        self.services = services
        self.health = Health(
            critical={"postgres": services.check_postgres, "redis": services.gate.check},
            soft={"context": services.context.check},
        )

    async def _http(self, request: Request) -> None:
        """Answer a request; whatever goes wrong becomes the contract's envelope."""
        status = "200"
        route = "other"
        try:
            request.check_headers()
            route, handler = self._route(request)
            await handler()
        except ProxyError as error:
            status = str(error.status)
            if not request.sent_start:
                await request.fail(error)
        except ClientLeft:
            status = "499"
        except Exception:  # the outermost loop: an unknown failure is told without its text
            status = "500"
            log.exception("proxy.failed", request_id=request.request_id)
            await self._fail_unexpectedly(request)
        metrics.REQUESTS.labels(route, status).inc()

    async def _fail_unexpectedly(self, request: Request) -> None:
        message = "Something went wrong on our side; the request id finds it in the log."
        if not request.sent_start:
            await request.fail(ProxyError(500, "INTERNAL_ERROR", message))

    def _route(self, request: Request) -> tuple[str, Handler]:
        """Return the name and the handler of the request's raw path."""
        services = self.services
        if services is None:
            raise ProxyError(503, "SERVICE_DEGRADED", "The proxy is starting.")
        if request.path == CHAT_PATH:
            _only_post(request)
            return "chat", lambda: chat.handle(request, services)
        if (external_id := external_id_of(request.path)) is not None:
            _only_post(request)
            return "terminate", lambda: terminate(request, services, external_id)
        if (target := services.forwarder.target(request.path)) is not None:
            return "forward", lambda: services.forwarder.forward(request, target)
        raise ProxyError(404, "ROUTE_NOT_FOUND", "There is nothing at this path.")


def _only_post(request: Request) -> None:
    if request.method != "POST":
        message = f"{request.method} is not allowed here; use POST."
        raise ProxyError(405, "METHOD_NOT_ALLOWED", message, headers={"allow": "POST"})


application = Application()
