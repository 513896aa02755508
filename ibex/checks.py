"""Live checks of what the processes depend on: for `/readyz`, and for the page of the status.

Each returns when the dependency answers and raises when it does not; `ibex.health` runs them in
parallel, each for at most 500 ms.
"""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aiohttp
import psycopg
import redis.asyncio
from django.conf import settings
from django.core.files.storage import storages
from prometheus_client.parser import text_string_to_metric_families

from ibex.env import env
from ibex.health import Health
from ibex.ports import port

DISPATCHER_SILENT_S = 30
DISPATCHED_AT = "ibex_worker_dispatched_timestamp_seconds"

_slow_stores = ThreadPoolExecutor(max_workers=2, thread_name_prefix="check")
"""A store that does not answer keeps these threads, and nobody who waits for a page."""


class DispatcherSilent(Exception):
    """The dispatcher has not looked for work for a while."""


def dependencies() -> Health:
    """Build the checks of everything that the console's status page is about."""
    return Health(
        critical={"postgres": check_postgres, "redis": check_redis},
        soft={
            "embedder": check_embedder,
            "context": check_context,
            "memory": check_memory,
            "archive": check_archive,
            "dispatcher": check_dispatcher,
        },
    )


async def check_postgres() -> None:
    """Ask Postgres for a row."""
    url = env.str("IBEX_DATABASE_URL")
    async with await psycopg.AsyncConnection.connect(url, connect_timeout=2) as connection:
        await connection.execute("SELECT 1")


async def check_redis() -> None:
    """Ask Redis for a pong."""
    client: Any = redis.asyncio.from_url(settings.REDIS_URL)
    try:
        await client.ping()
    finally:
        await client.aclose()


async def check_embedder() -> None:
    """Ask the embedder whether it lives."""
    await _fetch(f"{settings.EMBEDDER_URL}/healthz")


async def check_context() -> None:
    """Ask the context service whether it lives."""
    url = env.str("IBEX_CONTEXT_HEALTH_URL", "") or _here("context_health")
    await _fetch(f"{url}/healthz")


async def check_memory() -> None:
    """Ask the memory service whether it lives."""
    url = env.str("IBEX_MEMORY_URL", "") or _here("memory")
    await _fetch(f"{url}/healthz")


async def check_archive() -> None:
    """Ask whether an archive could be written where archives go, a folder or a bucket."""
    store: Any = storages["archive"]
    await asyncio.get_running_loop().run_in_executor(_slow_stores, store.check)


async def check_dispatcher() -> None:
    """Ask the worker when its dispatcher last looked for work. Raises `DispatcherSilent`.

    Its `/readyz` would say so too, but later when another of its dependencies is slow.
    """
    url = env.str("IBEX_WORKER_HEALTH_URL", "") or _here("worker_health")
    families = text_string_to_metric_families(await _fetch(f"{url}/metrics"))
    samples = (sample for family in families for sample in family.samples)
    raise_if_silent(max((one.value for one in samples if one.name == DISPATCHED_AT), default=None))


def raise_if_silent(dispatched_at: float | None) -> None:
    """Raise `DispatcherSilent` when the last look for work, in seconds of Unix, is long ago."""
    if dispatched_at is None or time.time() - dispatched_at > DISPATCHER_SILENT_S:
        raise DispatcherSilent


def _here(listener: str) -> str:
    return f"http://127.0.0.1:{port(listener)}"


async def _fetch(url: str) -> str:
    async with aiohttp.ClientSession() as client, client.get(url) as answer:
        answer.raise_for_status()
        return await answer.text()
