"""Postgres as a supervised child behind a unix socket, from the programs of a wheel."""

import os
import signal
from pathlib import Path

from ibex.embedded.accounts import postgres_account
from ibex.embedded.binaries import postgres_programs
from ibex.embedded.cluster import check_version, create_cluster
from ibex.embedded.errors import StoreError
from ibex.embedded.places import private_folder, socket_folder, tail
from ibex.embedded.postgres_settings import arguments
from ibex.embedded.processes import Process, Signals, ended, launch, wait_until
from ibex.embedded.strangers import Identity, stop_strangers, working_in

STOP: Signals = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
"""Fast shutdown, then immediate: SIGTERM would wait for clients to leave."""
START_SECONDS = 60
STATUS_LINE = 8


class Postgres:
    """One Postgres cluster in one private folder, reached by a unix socket only."""

    name = "postgres"
    stop_signals = STOP

    def __init__(self, folder: Path, *, log: Path, temporary: bool = False) -> None:
        self.account = postgres_account(folder / "data")
        self.folder = private_folder(folder, self.account).resolve()
        self.data = self.folder / "data"
        self.log = log
        self.temporary = temporary
        self.sockets = socket_folder(self.folder / "socket", self.account)
        self.programs = postgres_programs(self.account)

    def launch(self) -> Process:
        """Create the cluster if there is none, clear what a killed run left, start the server."""
        if not self.data.exists():
            create_cluster(self)
        check_version(self.data)
        self._stop_orphan()
        settings = arguments(self.sockets, temporary=self.temporary)
        return self.run("postgres", "-D", str(self.data), *settings)

    def run(self, program: str, *options: str) -> Process:
        """Start one of the wheel's programs as the account that owns the data.

        The operator's PG* and locale variables stay out of its way.
        """
        return launch(
            [str(self.programs / program), *options],
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
            cwd=self.folder,
            log=self.log,
            account=self.account,
            death_signal=signal.SIGINT,
        )

    def wait_ready(self, process: Process) -> None:
        """Wait until the server accepts connections; raise `StoreError` when it does not."""
        if not wait_until(lambda: self._ready(process.pid) or ended(process), START_SECONDS):
            raise StoreError(f"Postgres was not ready in {START_SECONDS} s.\n{tail(self.log)}")
        if ended(process):
            raise StoreError(f"Postgres stopped at once.\n{tail(self.log)}")

    @property
    def _pid_file(self) -> Path:
        return self.data / "postmaster.pid"

    def _ready(self, pid: int) -> bool:
        """Read the status that the server keeps in its pid file, as `pg_ctl` does."""
        if not self._pid_file.exists():
            return False
        lines = self._pid_file.read_text().splitlines()
        mine = bool(lines) and lines[0] == str(pid)  # not one that a killed server left
        return mine and len(lines) >= STATUS_LINE and lines[STATUS_LINE - 1].strip() == "ready"

    def _stop_orphan(self) -> None:
        """Stop the server that a killed supervisor left, and wait for its last backends.

        Its pid file may name a zombie that nobody reaps, or by now a stranger; either would stop
        the next start. Postgres itself still refuses if its shared memory is in use.
        """
        if self._pid_file.exists():
            orphan = Identity.of(int(self._pid_file.read_text().split()[0]))
            if orphan and str(self.data) in orphan.arguments():
                stop_strangers([orphan], STOP)
        stop_strangers(working_in(self.data), STOP[1:])
        for stale in (self._pid_file, *self.sockets.glob(".s.PGSQL.*")):
            stale.unlink(missing_ok=True)
