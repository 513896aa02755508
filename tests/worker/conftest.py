"""A real worker on the suite's database, and what it needs to be stopped and started."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from ibex.dispatch import CLAIMS
from ibex.ports import DEFAULT_PORTS
from tests.memories.embedding import embedder, no_embedding
from tests.memories.model import model_peer
from tests.processes import ServerProcess, free_offset

__all__ = ["embedder", "model_peer", "no_embedding"]

MakeWorker = Callable[..., ServerProcess]


def wait_until(true: Callable[[], object], timeout_s: float = 30) -> None:
    """Come back as soon as something is so."""
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.1)


@pytest.fixture(scope="session")
def broker_url(worker_id: str) -> str:
    """A Redis database of this test process's own: other workers must not take our messages."""
    number = int(worker_id.removeprefix("gw")) if worker_id.startswith("gw") else 0
    url = os.environ["IBEX_CELERY_BROKER_URL"].partition("?")[0]
    return f"{url}?virtual_host={2 + number}"


@pytest.fixture
def nothing_else_is_due(database_url: str, django_db_setup: None) -> None:
    """Claim what other tests left in this database, for longer than any test takes.

    A worker would do all of that first: hundreds of sessions when the suite has run for a while.
    """
    leases = {"limit": 100_000, "learning": 100_000, "lease": "1 day", "short_lease": "1 day"}
    with psycopg.connect(database_url, autocommit=True) as connection:
        for work, statement, _task in CLAIMS:
            if work != "job":  # few, and each test looks at its own
                connection.execute(statement, leases)


@pytest.fixture
def make_worker(
    database_url: str,
    redis_url: str,
    broker_url: str,
    tmp_path: Path,
    nothing_else_is_due: None,
) -> Iterator[MakeWorker]:
    """Start workers, each on its own port; whatever still runs at the end is stopped."""
    started: list[ServerProcess] = []

    def make(**env: str) -> ServerProcess:
        offset = free_offset("worker_health")
        process = ServerProcess(
            "ibex.worker",
            env={
                "IBEX_PORT_OFFSET": str(offset),
                "IBEX_DATABASE_URL": database_url,
                "IBEX_REDIS_URL": redis_url,
                "IBEX_CELERY_BROKER_URL": broker_url,
                "IBEX_WORKER_LEASE_S": "2",
                **env,
            },
            port=DEFAULT_PORTS["worker_health"] + offset,
            log=tmp_path / f"worker-{len(started)}.log",
        )
        started.append(process)
        return process

    yield make
    for process in started:
        process.kill()
