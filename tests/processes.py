"""Starts real processes for tests: each on free ports, stopped by its own process id."""

import fcntl
import functools
import itertools
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TextIO

from ibex.ports import DEFAULT_PORTS

ROOT = Path(__file__).resolve().parent.parent


LANES = 10
LANE_WIDTH = 7
"""As many ports as the longest run of neighbours in `DEFAULT_PORTS`, 8000 to 8006."""
OFFSETS_APART = 200
"""No two defaults differ by a multiple of it, plus or minus the lanes, but 3000 and 8000."""


@functools.cache
def _lane_offsets() -> Iterator[int]:
    """Take a lane of ports that no other process of any suite has, until this one ends.

    A port that is free now may be taken when a process gets to listen, seconds later. So test
    processes never choose from the same ports, all of them below those of outgoing connections.
    """
    for lane in range(LANES):
        lock = (Path(tempfile.gettempdir()) / f"ibex-test-ports-{os.getuid()}-{lane}.lock").open(
            "w"
        )
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        HELD.append(lock)
        return itertools.cycle(range(11_000 + LANE_WIDTH * lane, 23_400, OFFSETS_APART))
    raise RuntimeError("too many test processes at once")


HELD: list[TextIO] = []


def free_offset(*names: str) -> int:
    """Find a port offset at which the port of every named listener, or of all, is free."""
    for offset in itertools.islice(_lane_offsets(), 100):
        if all(_is_free(DEFAULT_PORTS[name] + offset) for name in names or DEFAULT_PORTS):
            return offset
    raise RuntimeError("no free ports")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class ServerProcess:
    """One `python -m …` process of the product, in a process group of its own."""

    def __init__(
        self, module: str, *arguments: str, env: Mapping[str, str], port: int, log: Path
    ) -> None:
        self.module = module
        self.command = [sys.executable, "-m", module, *arguments]
        self.env = {**os.environ, **env}
        self.port = port
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *, path: str = "/healthz", timeout_s: float = 60) -> "ServerProcess":
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=ROOT, env=self.env, stdout=log, stderr=log, start_new_session=True
            )
        self.wait_for(path, timeout_s=timeout_s)
        return self

    def wait_for(self, path: str, *, timeout_s: float = 60, status: int = 200) -> None:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self.process and self.process.poll() is not None:
                raise RuntimeError(f"{self.module} ended:\n{self.log.read_text()[-4000:]}")
            if self.status(path) == status:
                return
            time.sleep(0.05)
        raise TimeoutError(f"{self.module}{path}:\n{self.log.read_text()[-4000:]}")

    def status(self, path: str) -> int | None:
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=3) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            return int(error.code)
        except (OSError, TimeoutError):
            return None

    def kill(self) -> None:
        """`kill -9`, as a crash would."""
        self._signal(signal.SIGKILL)

    def stop(self) -> None:
        self._signal(signal.SIGTERM)

    def _signal(self, number: int) -> None:
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, number)
            try:
                self.process.wait(timeout=40)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
