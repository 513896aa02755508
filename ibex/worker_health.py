"""The worker's health: its stores, its dispatcher, and what all of its processes count."""

import asyncio
import threading

import uvicorn
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from ibex.checks import (
    DISPATCHED_AT,
    check_embedder,
    check_postgres,
    check_redis,
    raise_if_silent,
)
from ibex.health import Health
from ibex.ports import bind_host, port
from ibex.watchdog import watch


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
        raise_if_silent(await asyncio.to_thread(registry.get_sample_value, DISPATCHED_AT))

    return Health(
        critical={
            "postgres": check_postgres,
            "redis": check_redis,
            "dispatcher": check_dispatcher,
        },
        soft={"embedder": check_embedder},
        registry=registry,
    )
