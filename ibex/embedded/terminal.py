"""What the operator sees: the supervisor's own lines, and what matters from the logs.

Processes write into their log files; this follows the files, so a terminal that stands still
never holds a process up.
"""

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from honcho.colour import get_colours
from honcho.printer import Message, Printer

OWN_NAME = "ibex"
LOUD = {"warning", "error", "critical"}


@dataclass
class Tail:
    """A log file and how far it has been read; what was there before is skipped."""

    path: Path
    _position: int = field(init=False)

    def __post_init__(self) -> None:
        self._position = self.path.stat().st_size if self.path.exists() else 0

    def lines(self) -> list[str]:
        """Return the complete lines that were added since the last call."""
        if not self.path.exists():
            return []
        if self.path.stat().st_size < self._position:  # rotated
            self._position = 0
        with self.path.open("rb") as file:
            file.seek(self._position)
            text, newline, _ = file.read().rpartition(b"\n")
        self._position += len(text) + len(newline)
        return text.decode(errors="replace").splitlines()


class Terminal:
    """Prints lines with the name and colour of their process; quiet unless told otherwise."""

    def __init__(self, *, verbose: bool) -> None:
        self._verbose = verbose
        self._printer = Printer(sys.stdout, width=9)
        self._colours = get_colours()
        self._tails: dict[str, tuple[Tail, str]] = {}

    def follow(self, name: str, log: Path) -> None:
        """Start to follow a process's log."""
        self._tails[name] = (Tail(log), next(self._colours))

    def say(self, text: str) -> None:
        """Print a line of the supervisor's own."""
        self._write(OWN_NAME, text, None)

    def quote(self, name: str, lines: str) -> None:
        """Print of a process's last lines what is not mere information."""
        for line in lines.splitlines():
            if shown := summary(line, plain=line):
                self._write(name, shown, None)

    def show(self, text: str) -> None:
        """Print a block of text as it is."""
        if text:
            with _terminal_may_be_gone():
                sys.stdout.write(f"{text}\n")
                sys.stdout.flush()

    def relay(self) -> None:
        """Print what the processes have logged since the last call."""
        for name, (tail, colour) in self._tails.items():
            for line in tail.lines():
                if shown := line if self._verbose else summary(line):
                    self._write(name, shown, colour)

    def _write(self, name: str, text: str, colour: str | None) -> None:
        message = Message("line", text, datetime.now().astimezone(), name, colour)
        with _terminal_may_be_gone():
            self._printer.write(message)


@contextlib.contextmanager
def _terminal_may_be_gone() -> Iterator[None]:
    """Go on in silence when nobody reads any more: what runs still has to be stopped in order."""
    try:
        yield
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def summary(line: str, plain: str | None = None) -> str | None:
    """Return a log line in short when it is a warning or worse; `plain` when it is not JSON.

    What is not JSON is a banner or part of a traceback; it is worth reading when a process dies.
    """
    try:
        record = json.loads(line)
    except ValueError:
        return plain
    if not isinstance(record, dict) or record.get("level") not in LOUD:
        return None
    return f"{record['level']}: {record.get('event', '')}"
