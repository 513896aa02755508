"""Stacks and commands in processes of their own."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ibex.embedded.processes import wait_until
from ibex.embedded.strangers import Identity

CLONE = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
PATIENCE_S = 60
NO_STORES = {
    "IBEX_DATABASE_URL": "postgres://ibex_app@db/ibex",
    "IBEX_DATABASE_OWNER_URL": "postgres://ibex_owner@db/ibex",
    "IBEX_REDIS_URL": "redis://cache/0",
}
"""Stores that a stack believes in and never asks."""
TOY = "python tests/embedded/toy_process.py"


def clean_environment(**variables: str) -> dict[str, str]:
    """Our environment without what the surrounding test run has set for IBEX."""
    inherited = {name: value for name, value in os.environ.items() if "IBEX" not in name}
    return {**inherited, "PYTHONPATH": str(CLONE), **variables}


def run_command(
    *command: str, env: dict[str, str] | None = None, cwd: Path = CLONE
) -> subprocess.Popen[str]:
    """Start `python -m ibex.embedded run -- COMMAND`."""
    return subprocess.Popen(
        [sys.executable, "-m", "ibex.embedded", "run", "--", *command],
        env=env or clean_environment(),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def processes_with(text: str) -> list[int]:
    """Return the pids whose command line or environment mentions `text`, ourselves left out."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            content = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            if text.encode() in content and Identity.of(int(entry.name)):
                found.append(int(entry.name))
    return [pid for pid in found if pid != os.getpid()]


@contextlib.contextmanager
def reachable_folder() -> Iterator[Path]:
    """A short-named folder that every account may pass through."""
    made = Path(tempfile.mkdtemp(prefix="ibex-test-"))
    made.chmod(0o711)
    try:
        yield made
    finally:
        shutil.rmtree(made)


@dataclass
class Stack:
    """A supervisor in a process of its own, with toy processes."""

    home: Path
    procfile: Path
    offset: int
    process: subprocess.Popen[str] | None = None

    def start(self, *steps: str, **variables: str) -> "Stack":
        """Start the supervisor; it may take a moment until the stack is ready."""
        places = {"IBEX_HOME": str(self.home), "IBEX_PORT_OFFSET": str(self.offset)}
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "toy_stack.py"), str(self.procfile), *steps],
            env=clean_environment(**places, **variables),
            cwd=CLONE,
            stdin=subprocess.DEVNULL,
            stdout=(self.home.parent / "terminal").open("a"),
            stderr=subprocess.STDOUT,
        )
        return self

    def ready(self) -> "Stack":
        """Wait until the stack says that it is ready."""
        assert wait_until(self.stack_file.exists, PATIENCE_S), self.terminal()
        return self

    def signal(self, number: signal.Signals) -> int:
        """Send a signal to the supervisor and wait for its exit code."""
        assert self.process
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def ended(self) -> int:
        """Wait for the supervisor to end by itself; return its exit code."""
        assert self.process
        return self.process.wait(PATIENCE_S)

    @property
    def stack_file(self) -> Path:
        """Return where the stack says that it is ready."""
        return self.home / "run/stack.json"

    def facts(self) -> dict:
        """Return what the stack says about itself."""
        return json.loads(self.stack_file.read_text())

    def pid(self, name: str) -> int:
        """Return the pid of one process."""
        return self.facts()["processes"][name]["pid"]

    def told(self, name: str) -> dict:
        """What a toy process wrote into its log when it last started."""
        log = self.home / f"log/{name}.log"
        assert wait_until(lambda: log.exists() and log.read_text().endswith("\n"), PATIENCE_S)
        return json.loads(log.read_text().splitlines()[-1])

    def terminal(self) -> str:
        """Return what the supervisor has printed."""
        return (self.home.parent / "terminal").read_text()

    def left_running(self) -> list[int]:
        """Whatever still runs of this home: stores by their folder, processes by their home."""
        return processes_with(str(self.home))
