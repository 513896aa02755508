"""Starts real processes for tests: each on free ports, stopped by its own process id."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from ibex.ports import DEFAULT_PORTS

ROOT = Path(__file__).resolve().parent.parent


def free_offset(*names: str) -> int:
    """Find a port offset at which every named listener's port is free."""
    for offset in range(20_000 + os.getpid() % 5_000, 50_000, 37):
        if all(_is_free(DEFAULT_PORTS[name] + offset) for name in names):
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
