"""A stage for measurements: stores with their real durability, an org, and real processes."""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.processes import ROOT, ServerProcess, free_offset, free_port
from tests.stores import OwnStores

HTTP_LISTENERS = {
    "proxy": ("proxy", 8080),
    "embedder": ("embedder", 8004),
    "context": ("context", 8003),
    "ibex.worker": ("worker_health", 8006),
    "ibex.serve": ("api", 8000),
}


@dataclass
class Stage:
    """Stores, their environment and the processes started so far."""

    stores: OwnStores
    folder: Path
    offset: int
    env: dict[str, str]
    processes: dict[str, ServerProcess] = field(default_factory=dict)
    upstream_port: int = 0
    extra: list[ServerProcess] = field(default_factory=list)
    """Processes beyond one of each, for whoever starts them to stop."""

    def start(self, module: str, *arguments: str, **env: str) -> ServerProcess:
        """Start one process and wait until it is ready."""
        _name, base = HTTP_LISTENERS[module]
        process = ServerProcess(
            module,
            *arguments,
            env={**self.env, **env},
            port=base + self.offset,
            log=self.folder / f"{module}.log",
        )
        self.processes[module] = process.start(path="/readyz", timeout_s=120)
        return process

    def start_all(self) -> None:
        """Start one of each process that a request and what is learned from it need."""
        for module in ("embedder", "context", "ibex.worker"):
            self.start(module)
        self.start("ibex.serve", "api")
        self.start("proxy")

    def pid(self, module: str) -> int:
        """Return a process's id."""
        process = self.processes[module].process
        if process is None:
            raise LookupError(module)
        return process.pid


@contextlib.contextmanager
def stage() -> Iterator[Stage]:
    """Open the stage and set Django up on it; close everything at the end."""
    with tempfile.TemporaryDirectory(prefix="ibex-b-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o711)
        stores = OwnStores(folder).start()
        upstream = _start_upstream()
        offset = free_offset(
            "proxy", "api", "embedder", "context", "context_health", "worker_health"
        )
        env = _environment(stores, folder, offset, upstream.port)
        open_stage = Stage(stores, folder, offset, env, upstream_port=upstream.port)
        os.environ.update(env)
        _set_up_django()
        try:
            yield open_stage
        finally:
            for process in reversed(open_stage.processes.values()):
                process.stop()
            upstream.process.kill()
            stores.stop()


@dataclass(frozen=True)
class _Upstream:
    process: "subprocess.Popen[bytes]"
    port: int


def _start_upstream() -> _Upstream:
    port = free_port()
    command = [sys.executable, str(ROOT / "benchmarks" / "upstream.py"), str(port)]
    return _Upstream(subprocess.Popen(command), port)  # noqa: S603 - our own script


def _environment(
    stores: OwnStores, folder: Path, offset: int, upstream_port: int
) -> dict[str, str]:
    return {
        "IBEX_ENV": "development",
        "IBEX_ROLE": "manage",
        "IBEX_SECRET_KEY": "benchmark-secret-key-with-at-least-fifty-characters-0",
        "IBEX_TOKEN_KEY": "benchmark-token-key-with-enough-characters",
        "IBEX_SERVICE_TOKEN": "benchmark-service-token-with-enough-characters",
        "IBEX_LOG_LEVEL": "WARNING",
        "IBEX_DATABASE_URL": stores.database_url,
        "IBEX_REDIS_URL": stores.redis.url,
        "IBEX_CELERY_BROKER_URL": stores.redis.broker_url,
        "IBEX_PORT_OFFSET": str(offset),
        "IBEX_SPOOL_DIR": str(folder / "spool"),
        "IBEX_MODEL_DIR": str(ROOT / "var" / "models"),
        "IBEX_EMBEDDER_URL": f"http://127.0.0.1:{8004 + offset}",
        "IBEX_CONTEXT_ADDR": f"127.0.0.1:{9092 + offset}",
        "IBEX_CONTROL_URL": f"ws://127.0.0.1:{8000 + offset}/ws/control",
        "IBEX_LLM_MODE": "live",
        "OPENAI_API_KEY": "sk-benchmark",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{upstream_port}/v1",
    }


def _set_up_django() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ibex.settings")
    import django  # noqa: PLC0415 - settings read the environment made above

    django.setup()


def make_agent(**config: Any) -> tuple[Any, str]:
    """Create an org with one agent; return the agent and the text of a token for it."""
    from agents.services import create_agent  # noqa: PLC0415 - after Django is set up
    from ibex.ids import uuid7  # noqa: PLC0415
    from ibex.tenancy import tenant  # noqa: PLC0415
    from orgs.audit import Actor  # noqa: PLC0415
    from orgs.models import Organization  # noqa: PLC0415
    from orgs.permissions import ALL  # noqa: PLC0415
    from orgs.services import create_organization, issue_token  # noqa: PLC0415

    actor = Actor.system("benchmark")
    org = create_organization(name="Bench", slug=f"bench-{uuid7().hex}", actor=actor)
    with tenant(org):
        Organization.objects.filter(pk=org.pk).update(rpm=100_000_000)
    agent = create_agent(
        org=org, name="Bench", slug="bench", memory_scope="agent", actor=actor, **config
    )
    _row, token = issue_token(org=org, name="B", permissions=ALL, held=ALL, actor=actor)
    return agent, token


def caller(agent: Any, token: str) -> Mapping[str, str]:
    """Return the headers of a caller."""
    return {
        "authorization": f"Bearer {token}",
        "x-ibex-agent-id": str(agent.pk),
        "content-type": "application/json",
    }
