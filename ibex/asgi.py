"""The ASGI application of the Django roles: health paths first, then Django."""

import asyncio
import os
from typing import Any

import redis.asyncio
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.db import connection

from ibex.bodies import BodyLimit
from ibex.health import PATHS, Health

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ibex.settings")

django_application = BodyLimit(get_asgi_application())


async def check_postgres() -> None:
    """Ask Postgres for a row, in a thread as Django's connections want."""
    await asyncio.to_thread(_select_one)


async def check_redis() -> None:
    """Ask Redis for a pong."""
    client = redis.asyncio.from_url(settings.REDIS_URL)
    try:
        await client.ping()
    finally:
        await client.aclose()


def _select_one() -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    finally:
        connection.close()


health = Health(critical={"postgres": check_postgres}, soft={"redis": check_redis})


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answer health paths without Django's request cycle; hand everything else to Django."""
    if scope["type"] == "http" and scope["path"] in PATHS:
        await health(scope, receive, send)
        return
    await django_application(scope, receive, send)
