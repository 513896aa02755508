"""Folders and stacks for one test; nothing of them is left behind."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.embedded.toys import PATIENCE_S, Stack, reachable_folder
from tests.processes import free_offset


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short-named folder that every account may pass through."""
    with reachable_folder() as made:
        yield made


@pytest.fixture
def make_stack(folder: Path) -> Iterator[Callable[..., Stack]]:
    """Make a stack with a Procfile; whatever it leaves is killed in the end."""
    stacks: list[Stack] = []

    def make(**lines: str) -> Stack:
        procfile = folder / "Procfile"
        procfile.write_text("".join(f"{name}: {line}\n" for name, line in lines.items()))
        stacks.append(Stack(folder / "home", procfile, free_offset()))
        return stacks[-1]

    yield make
    for stack in stacks:
        if stack.process and stack.process.poll() is None:
            stack.process.terminate()
            time.sleep(0.5)
            stack.process.terminate()  # in a hurry
            stack.process.wait(PATIENCE_S)
        for pid in stack.left_running():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
