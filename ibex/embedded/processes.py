"""Child processes that do not outlive the process that started them."""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ibex.embedded.accounts import Account

Process = subprocess.Popen[bytes]

POLL_S = 0.05
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def launch(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    log: Path | None = None,
    account: Account | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
    own_session: bool = True,
) -> Process:
    """Start a child; it gets `death_signal` when the thread that started it is gone.

    With a `log`, stdout and stderr are appended to that file, so a child never waits for
    whoever reads them; without one they are inherited.
    """
    output = log.open("ab") if log else None
    try:
        return subprocess.Popen(  # noqa: S603 - the program is ours or named by the operator
            argv,
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL if log else None,
            stdout=output,
            stderr=output,
            start_new_session=own_session,
            # Runs after the switch of user, which would clear the setting; no thread of ours
            # holds a lock while it forks.
            preexec_fn=_die_with_parent(death_signal),  # noqa: PLW1509
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    finally:
        if output:
            output.close()


def _die_with_parent(death_signal: signal.Signals) -> Callable[[], None]:
    parent, prctl, number = os.getpid(), _libc.prctl, int(death_signal)

    def request() -> None:
        prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:  # it died before the request
            os._exit(1)

    return request


@dataclass(frozen=True)
class Identity:
    """One process for as long as it lives: a pid alone is reused, with its start time it is not."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> "Identity | None":
        """Return the identity of the process that has `pid` now; zombies are nobody."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] in {"Z", "X"} else cls(pid, int(fields[19]))

    def alive(self) -> bool:
        """Say whether this very process still runs."""
        return Identity.of(self.pid) == self

    def arguments(self) -> list[str]:
        """Return its command line; empty when it is gone or hidden from us."""
        try:
            line = Path(f"/proc/{self.pid}/cmdline").read_bytes()
        except OSError:
            return []
        return [os.fsdecode(part) for part in line.split(b"\0")]

    def stop(self, signals: Sequence[tuple[signal.Signals, float]]) -> None:
        """Send each signal in turn until the process is gone, waiting that many seconds for it."""
        for number, patience in signals:
            if not self.alive():
                return
            os.kill(self.pid, number)
            wait_until(lambda: not self.alive(), patience)


def working_in(folder: Path) -> list[Identity]:
    """Return the processes whose working directory is `folder`; every backend works in its data."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").readlink() != folder:
                continue
        except OSError:  # gone, or not ours to look at
            continue
        if process := Identity.of(int(entry.name)):
            found.append(process)
    return found


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until `condition` holds, at most `seconds`; say whether it does."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def stop(process: Process, signals: Sequence[tuple[signal.Signals, float]]) -> None:
    """Stop a child of ours, then kill whatever is left of its process group."""
    for number, patience in signals:
        if process.poll() is not None:
            break
        process.send_signal(number)
        wait_until(lambda: process.poll() is not None, patience)
    kill_group(process.pid)


def kill_group(group: int) -> None:
    """Kill what is left of a process group that a child of ours led."""
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
