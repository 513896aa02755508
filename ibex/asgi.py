"""The ASGI application of the Django roles: health paths first, then sockets, then Django."""

import os
from typing import Any

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.utils.module_loading import import_string

from ibex.bodies import BodyLimit
from ibex.checks import check_postgres, check_redis
from ibex.health import PATHS, Health

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ibex.settings")

django_application = BodyLimit(get_asgi_application())

SOCKETS = {
    "api": {
        "/ws/control": "control.consumers.ControlConsumer",
        "/ws/live": "ibex.live.LiveConsumer",
    },
    "dashboard": {"/ws/live": "ibex.live.LiveConsumer"},
}
"""The WebSockets of each role: the path, and the consumer that answers it."""
sockets = {
    path: import_string(consumer).as_asgi()
    for path, consumer in SOCKETS.get(settings.ROLE, {}).items()
}

health = Health(critical={"postgres": check_postgres}, soft={"redis": check_redis})


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answer health paths without Django's request cycle, sockets by their consumer."""
    if scope["type"] == "http" and scope["path"] in PATHS:
        await health(scope, receive, send)
        return
    if scope["type"] == "websocket":
        await sockets.get(scope["path"], refuse_socket)(scope, receive, send)
        return
    await django_application(scope, receive, send)


async def refuse_socket(_scope: Any, _receive: Any, send: Any) -> None:
    """Refuse a socket that no consumer answers; the client sees 403."""
    await send({"type": "websocket.close"})
