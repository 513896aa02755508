"""The status as one reading: the console's page and the API show the same."""

import asyncio
import platform
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from threading import Thread
from typing import Any
from uuid import UUID

import django
from django.conf import settings
from django.db import connection
from django.utils import timezone

from control.models import Clock, Proxy
from embedder.limits import EMBEDDING_DIM, EMBEDDING_MODEL
from ibex.checks import dependencies
from ibex.env import env
from ibex.status.waiting import Waiting, read_waiting
from ibex.tenancy import tenant

LABELS = {
    "postgres": ("Postgres", "everything that is known"),
    "redis": ("Redis", "rate limits and the worker's messages"),
    "embedder": ("Embedder", "texts to vectors; without it memories are found by words alone"),
    "context": ("Context service", "memories for prompts; without it agents answer without them"),
    "memory": ("Memory service", "the memory API of agents"),
    "archive": ("Archive store", "archives of ended sessions"),
    "dispatcher": ("Worker", "learning, embedding, archives and jobs"),
}
SHOWN_PROXIES = 100


@dataclass(frozen=True)
class Check:
    """One dependency: whether it answers, and how long it took, in ms."""

    name: str
    label: str
    purpose: str
    status: str
    latency_ms: float

    @property
    def is_ok(self) -> bool:
        """Whether it answers."""
        return self.status == "ok"


@dataclass(frozen=True)
class ProxyState:
    """One proxy that is connected; `behind` is how many changes it has not taken yet."""

    name: str
    since: datetime
    seen_at: datetime
    revision: int
    behind: int
    is_silent: bool


@dataclass(frozen=True)
class Status:
    """What was read at `read_at`: dependencies, proxies, waiting work, versions.

    `health` is `ok`, `degraded` or `unhealthy`, as `/readyz` says it.
    """

    read_at: datetime
    health: str
    checks: list[Check]
    proxies: list[ProxyState]
    waiting: list[Waiting]
    versions: Mapping[str, str]

    @property
    def broken(self) -> list[Check]:
        """The dependencies that do not answer."""
        return [check for check in self.checks if not check.is_ok]


def read_status(org_id: UUID, agent_id: UUID | None = None) -> Status:
    """Check every dependency for at most 500 ms, then read what waits in the organization.

    A token of one agent learns what waits of that agent alone. Call it outside of a tenant: no
    transaction is held while others are waited for. Four queries.
    """
    body = check_dependencies()
    with tenant(org_id):
        waiting = read_waiting(org_id, agent_id)
        proxies = _read_proxies()
        versions = _read_versions()
    checks = [
        Check(name, *LABELS[name], result["status"], result["latency_ms"])
        for name, result in body["checks"].items()
    ]
    return Status(timezone.now(), body["status"], checks, proxies, waiting, versions)


def check_dependencies() -> dict[str, Any]:
    """Run all checks at once; return what a `/readyz` of them would answer."""
    running = asyncio.run_coroutine_threadsafe(dependencies().readiness(), _loop())
    _status, body = running.result()
    return body


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """Return a loop in a thread of its own, which lasts.

    Ending one would wait for its threads: while a name is looked up, longer than a page may.
    """
    loop = asyncio.new_event_loop()
    Thread(target=loop.run_forever, name="checks", daemon=True).start()
    return loop


def _read_proxies() -> list[ProxyState]:
    latest = Clock.objects.values_list("rev", flat=True).first() or 0
    connected = Proxy.objects.filter(left_at=None)[:SHOWN_PROXIES]
    return [
        ProxyState(
            proxy.name,
            proxy.connected_at,
            proxy.seen_at,
            proxy.revision,
            max(0, latest - proxy.revision),
            proxy.is_silent,
        )
        for proxy in connected
    ]


def _read_versions() -> dict[str, str]:
    return {
        "IBEX": _own_version(),
        "Django": django.get_version(),
        "Postgres": _postgres_version(),
        "Python": platform.python_version(),
        "Embedding model": f"{EMBEDDING_MODEL}, {EMBEDDING_DIM} dimensions",
        "Extractor": env.str("IBEX_EXTRACTOR", "rules"),
    }


def _postgres_version() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        (version,) = cursor.fetchone()
    return str(version).split(" ", 1)[0]


@cache
def _own_version() -> str:
    text = (settings.BASE_DIR / "pyproject.toml").read_text()
    return str(tomllib.loads(text)["project"]["version"])
