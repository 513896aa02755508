"""A whole stack, started as an operator starts it, on ports and in a folder of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
import psycopg
import pytest
from psycopg.rows import dict_row

from ibex.ports import DEFAULT_PORTS
from tests.processes import ROOT, free_offset

READY_S = 240
# Behaviour is tested here, not speed: a busy machine must not turn an answer into a fallback.
PATIENT = {
    "IBEX_PROXY_CONTEXT_DEADLINE_MS": "3000",
    "IBEX_CONTEXT_DEADLINE_MS": "2500",
    "IBEX_CONTEXT_BRANCH_MS": "2000",
    "IBEX_PROXY_REDIS_TIMEOUT_MS": "3000",
}


class Stack:
    """A running `make up`, and what `run/stack.json` says of it."""

    def __init__(self, home: Path, offset: int) -> None:
        self.home = home
        self.offset = offset
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("IBEX_", "OPENAI_"))}
        self.env = {
            **inherited,
            **PATIENT,
            "IBEX_HOME": str(home),
            "IBEX_PORT_OFFSET": str(offset),
            "IBEX_LLM_MODE": "local",
        }
        self.supervisor: subprocess.Popen[bytes] | None = None
        self.output = home.parent / "output.log"

    @property
    def file(self) -> Path:
        return self.home / "run" / "stack.json"

    @property
    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads(self.file.read_text())
        return facts

    @property
    def proxy_url(self) -> str:
        return f"http://127.0.0.1:{DEFAULT_PORTS['proxy'] + self.offset}"

    def start(self) -> "Stack":
        self.file.unlink(missing_ok=True)
        with self.output.open("ab") as output:
            self.supervisor = subprocess.Popen(
                [sys.executable, "-m", "ibex.embedded", "up"],
                cwd=ROOT,
                env=self.env,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + READY_S
        while not self.file.exists():
            if self.supervisor.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(self.output.read_text()[-6000:])
            time.sleep(0.1)
        return self

    def stop(self) -> None:
        if self.supervisor and self.supervisor.poll() is None:
            self.supervisor.send_signal(signal.SIGTERM)
            self.supervisor.wait(timeout=90)

    def pid(self, process: str) -> int:
        """The process id of a process of the Procfile, or of a store.

        Raises `OSError` while it is away.
        """
        stores = {"redis": "redis/redis.pid", "postgres": "postgres/data/postmaster.pid"}
        if process in stores:
            return int((self.home / stores[process]).read_text().split()[0])
        pid = self.facts["processes"][process]["pid"]
        if pid is None:
            raise ProcessLookupError(process)
        return int(pid)

    def signal(self, process: str, number: int) -> None:
        os.kill(self.pid(process), number)

    def client(self, subject: str | None = None, **headers: str) -> openai.OpenAI:
        if subject:
            headers["X-IBEX-Subject-ID"] = subject
        return openai.OpenAI(
            base_url=f"{self.proxy_url}/v1",
            api_key=self.facts["token"],
            default_headers={"X-IBEX-Agent-ID": self.facts["agent"], **headers},
            max_retries=0,
            timeout=60,
        )

    def api(self, method: str, path: str, body: object = None, token: str | None = None) -> Any:
        """Call the management or memory API through the proxy; return the JSON, or None."""
        request = urllib.request.Request(
            f"{self.proxy_url}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {token or self.facts['token']}",
                "X-IBEX-Agent-ID": self.facts["agent"],
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            content = response.read()
        return json.loads(content) if content else None

    def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """Read as `ibex_app` inside the development org."""
        url = self.facts["environment"]["IBEX_DATABASE_URL"]
        with psycopg.connect(url, row_factory=dict_row) as connection:
            org = "00000000-0000-0000-0000-000000000001"
            connection.execute("SELECT set_config('ibex.org_id', %s, true)", [org])
            return connection.execute(sql, values).fetchall()


def eventually(condition: Callable[[], Any], timeout_s: float = 30) -> Any:
    """Return the condition's first truthy value; an HTTP or network error counts as not yet."""
    deadline = time.monotonic() + timeout_s
    last: Exception | None = None
    while time.monotonic() < deadline:
        try:
            if value := condition():
                return value
        except (openai.OpenAIError, urllib.error.URLError, OSError, psycopg.Error) as error:
            last = error
        time.sleep(0.8)  # each question is a turn to learn from; leave room for that
    raise AssertionError(f"it did not happen in {timeout_s} s; last: {last}")


@contextmanager
def running_stack(**env: str) -> Iterator[Stack]:
    """Start a stack in a folder of its own, and leave nothing of it behind; `env` wins."""
    folder = Path(tempfile.mkdtemp(prefix="ibex-s-", dir="/tmp"))
    folder.chmod(0o711)
    models = ROOT / "var" / "models"
    running = Stack(folder / "home", free_offset(*DEFAULT_PORTS))
    if models.is_dir():
        running.env["IBEX_MODEL_DIR"] = str(models)
    running.env |= env
    try:
        yield running.start()
    finally:
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """A stack of this module's own: its tests kill, stop and restart it."""
    with running_stack() as running:
        yield running
