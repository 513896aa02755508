"""Child processes that do not outlive the process that started them."""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ibex.embedded.accounts import Account

Process = subprocess.Popen[bytes]
Signals = Sequence[tuple[signal.Signals, float]]
"""Signals to send one after the other, each with the seconds to wait for its effect."""

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


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until `condition` holds, at most `seconds`; say whether it does."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def ended(process: Process) -> bool:
    """Say whether a child that leads a group has ended; whatever is left of its group is killed.

    Until it is reaped its pid, and so the group's number, belongs to nobody else.
    """
    if process.returncode is not None:
        return True
    if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        return False
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return True


def stop_all(
    processes: Sequence[Process],
    signals: Signals,
    *,
    hurry: Callable[[], bool] = lambda: False,
) -> None:
    """Send each signal in turn to the children that still run, with their groups in the end.

    Waits the seconds beside each signal; `hurry` cuts the waiting short until it comes to SIGKILL.
    """
    running = list(processes)

    def done() -> bool:
        running[:] = [process for process in running if not ended(process)]
        return not running or (number != signal.SIGKILL and hurry())

    for number, patience in signals:
        done()
        for process in running:
            process.send_signal(number)
        wait_until(done, patience)
