"""The processes under supervision: how each is started, watched, restarted and stopped."""

import shlex
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ibex.embedded.errors import EmbeddedError
from ibex.embedded.places import CLONE
from ibex.embedded.processes import Process, Signals, ended, launch, stop_all
from ibex.embedded.strangers import Identity

STOP: Signals = ((signal.SIGTERM, 35.0), (signal.SIGKILL, 5.0))
"""Processes drain for 30 s after SIGTERM."""
FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 10.0
HEALTHY_AFTER_S = 30.0
LOG_BYTES = 20 * 2**20


class Program(Protocol):
    """Something that can be started and stopped: a store, or a line of the Procfile."""

    name: str
    log: Path
    stop_signals: Signals

    def launch(self) -> Process:
        """Start it, after clearing what an earlier run left behind."""


@dataclass
class Command:
    """A line of the Procfile."""

    name: str
    line: str
    env: dict[str, str]
    log: Path
    stop_signals: Signals = STOP

    def launch(self) -> Process:
        """Start the command in the clone, with its output in its log."""
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.rename(self.log.with_suffix(".log.1"))
        try:
            return launch(shlex.split(self.line), env=self.env, cwd=CLONE, log=self.log)
        except OSError as error:
            raise EmbeddedError(f"Cannot run `{self.line}`: {error}.") from None


@dataclass
class Child:
    """A program that is kept running: when it dies it comes back, ever later if it keeps dying."""

    program: Program
    process: Process | None = None
    deaths: int = 0
    _started: float = field(default=0.0, repr=False)
    _due: float = field(default=0.0, repr=False)

    @property
    def name(self) -> str:
        """Return the program's name."""
        return self.program.name

    def start(self) -> Process:
        """Start the program now."""
        self._started = time.monotonic()
        self.process = self.program.launch()
        return self.process

    def stop(self) -> None:
        """Stop the program if it runs."""
        if self.process:
            stop_all([self.process], self.program.stop_signals)

    def identity(self) -> Identity | None:
        """Return the running process, if there is one."""
        return Identity.of(self.process.pid) if self.process else None

    def watch(self) -> str | None:
        """Notice a death or restart after one; return what happened, in words."""
        now = time.monotonic()
        if self.process is None:
            if now < self._due:
                return None
            self.start()
            return "restarted"
        if not ended(self.process):
            return None
        ending = _ending(self.process.returncode)
        self.deaths = 1 if now - self._started > HEALTHY_AFTER_S else self.deaths + 1
        delay = min(FIRST_DELAY_S * 2 ** (self.deaths - 1), LONGEST_DELAY_S)
        self._due, self.process = now + delay, None
        return f"{ending}; it comes back in {delay:g} s"


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with code {code}"
    return f"was ended by {signal.Signals(-code).name}"
