"""Redis as a supervised child behind a unix socket.

Nothing is written to disk: Redis is cache and broker here. What has to survive is in Postgres,
and work that was queued is found again there by its due column.
"""

import signal
import socket
from pathlib import Path

from ibex.embedded.binaries import redis_program
from ibex.embedded.errors import StoreError
from ibex.embedded.places import private_folder, socket_folder
from ibex.embedded.processes import Process, Signals, ended, launch, wait_until
from ibex.embedded.strangers import Identity, stop_strangers
from ibex.embedded.urls import broker_url, redis_url

STOP: Signals = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0))
START_SECONDS = 20


class Redis:
    """One Redis server in one private folder, reached by a unix socket only."""

    name = "redis"
    stop_signals = STOP

    def __init__(self, folder: Path, *, log: Path) -> None:
        self.folder = private_folder(folder)
        self.log = log
        self.socket = socket_folder(self.folder, None) / "redis.sock"
        self.url = redis_url(self.socket)
        self.broker_url = broker_url(self.socket)

    def launch(self) -> Process:
        """Clear what an earlier run left behind and start the server."""
        self._stop_orphan()
        return launch([str(redis_program()), *self._settings()], cwd=self.folder, log=self.log)

    def wait_ready(self, process: Process) -> None:
        """Wait until the server answers; raise `StoreError` when it does not."""
        if not wait_until(lambda: self.answers() or ended(process), START_SECONDS):
            raise StoreError(f"Redis did not answer in {START_SECONDS} s; see {self.log}.")
        if ended(process):
            raise StoreError(f"Redis stopped at once; see {self.log}.")

    def answers(self) -> bool:
        """Say whether a server answers on the socket."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            try:
                connection.connect(str(self.socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
            except OSError:
                return False

    def _settings(self) -> list[str]:
        settings = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "pidfile": str(self._pid_file),
            "dir": str(self.folder),
            "save": "",
            "appendonly": "no",
            "databases": "16",
        }
        return [part for name, value in settings.items() for part in (f"--{name}", value)]

    @property
    def _pid_file(self) -> Path:
        return self.folder / "redis.pid"

    def _stop_orphan(self) -> None:
        """Stop the server that a killed supervisor left: its title names the socket."""
        if self._pid_file.exists():
            orphan = Identity.of(int(self._pid_file.read_text() or 0))
            if orphan and any(str(self.socket) in part for part in orphan.arguments()):
                stop_strangers([orphan], STOP)
            self._pid_file.unlink(missing_ok=True)
        self.socket.unlink(missing_ok=True)
