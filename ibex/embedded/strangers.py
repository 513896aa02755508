"""Processes that are no children of ours: those that a killed supervisor left behind."""

import contextlib
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ibex.embedded.processes import Signals, wait_until


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
        except OSError:  # gone, or not ours to look at
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


def stop_strangers(found: Collection[Identity], signals: Signals) -> None:
    """Stop processes that are no children of ours: send each signal in turn to those that live.

    Waits the seconds beside each signal.
    """
    for number, patience in signals:
        for process in found:
            with contextlib.suppress(ProcessLookupError):
                if process.alive():
                    os.kill(process.pid, number)
        wait_until(lambda: not any(process.alive() for process in found), patience)


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
