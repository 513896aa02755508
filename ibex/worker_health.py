"""The worker's health: its stores, its dispatcher, and what all of its processes count."""

import asyncio
import threading
import time
from typing import Any

import aiohttp
import psycopg
import redis.asyncio
import uvicorn
from django.conf import settings
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from ibex.env import env
from ibex.health import Health
from ibex.ports import bind_host, port
from ibex.watchdog import watch

DISPATCHER_SILENT_S = 30
DISPATCHED_AT = "ibex_worker_dispatched_timestamp_seconds"


class DispatcherSilent(Exception):
    """The dispatcher has not looked for work for a while."""


def serve_health() -> None:
    """Answer health checks from a thread of this process, until it ends; and watch them."""
    health = worker_health()
    config = uvicorn.Config(
        health,
        host=bind_host(),
        port=port("worker_health"),
        log_config=None,
        access_log=False,
        lifespan="off",
    )
    threading.Thread(target=uvicorn.Server(config).run, name="health", daemon=True).start()
    watch(health)


def worker_health() -> Health:
    """Build the checks; metrics are those of every process of this worker."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]

    async def check_dispatcher() -> None:
        last = await asyncio.to_thread(registry.get_sample_value, DISPATCHED_AT)
        if last is None or time.time() - last > DISPATCHER_SILENT_S:
            raise DispatcherSilent

    return Health(
        critical={
            "postgres": check_postgres,
            "redis": check_redis,
            "dispatcher": check_dispatcher,
        },
        soft={"embedder": check_embedder},
        registry=registry,
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
    async with (
        aiohttp.ClientSession() as client,
        client.get(f"{settings.EMBEDDER_URL}/healthz") as answer,
    ):
        answer.raise_for_status()
