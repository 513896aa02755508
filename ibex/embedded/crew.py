"""The processes of one Procfile, from start to stop."""

import time
from collections.abc import Callable, Mapping

from ibex.embedded.children import STOP, Child, Command
from ibex.embedded.errors import EmbeddedError
from ibex.embedded.home import Home
from ibex.embedded.listeners import readiness
from ibex.embedded.places import tail
from ibex.embedded.processes import stop_all

READY_SECONDS = 120
DEATHS_AT_START = 3
FRONT = "proxy"
"""Stops before the others: it needs them to finish the requests it has."""


class Crew:
    """Starts the processes together, waits until all are ready, stops them in order."""

    def __init__(self, lines: Mapping[str, str], home: Home) -> None:
        self.lines = lines
        self._home = home
        self.children: list[Child] = []

    def start(self, env: dict[str, str]) -> None:
        """Start every process of the Procfile."""
        for name, line in self.lines.items():
            child = Child(Command(name, line, env, self._home.log(name)))
            self.children.append(child)
            child.start()

    def wait_ready(self, tick: Callable[[], None]) -> None:
        """Wait for every process; give up on one that keeps dying or stays unready."""
        deadline = time.monotonic() + READY_SECONDS
        waiting = list(self.children)
        while waiting:
            states = {child.name: readiness(child.name) for child in waiting}
            waiting = [child for child in waiting if not _settled(child, states[child.name])]
            for child in waiting:
                if child.deaths >= DEATHS_AT_START or time.monotonic() > deadline:
                    raise _NotReadyError(child, states[child.name])
            tick()

    def stop(self, hurry: Callable[[], bool]) -> None:
        """Stop the front, then the rest at once; with `hurry` they are killed without delay."""
        front = [child for child in self.children if child.name == FRONT]
        rest = [child for child in self.children if child.name != FRONT]
        for children in (front, rest):
            stop_all([child.process for child in children if child.process], STOP, hurry=hurry)


class _NotReadyError(EmbeddedError):
    def __init__(self, child: Child, state: str) -> None:
        log = child.program.log
        super().__init__(
            f"{child.name} did not become ready ({state}); the end of {log}:\n{tail(log)}"
        )


def _settled(child: Child, state: str) -> bool:
    return child.process is not None and state == "ready"
