"""A temporary folder goes with its process; a killed one's is removed by the next."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ibex.folders import ABANDONED_AFTER_S, temporary_folder
from tests.processes import ROOT

PREFIX = "ibex-folder-"
HOLD = """
import sys, time, pathlib
from ibex.folders import temporary_folder
with temporary_folder(sys.argv[1], pathlib.Path(sys.argv[2])) as folder:
    print(folder, flush=True)
    time.sleep(600)
"""


def hold(base: Path) -> tuple[subprocess.Popen[str], Path]:
    """Hold a folder in another process; it looks as if it was made long ago."""
    command = [sys.executable, "-c", HOLD, PREFIX, str(base)]
    holder = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    folder = Path(holder.stdout.readline().strip())
    age(folder)
    return holder, folder


def age(folder: Path) -> None:
    then = time.time() - 2 * ABANDONED_AFTER_S
    os.utime(folder, (then, then))


def test_a_folder_is_private_and_goes_with_its_content(tmp_path: Path) -> None:
    with temporary_folder(PREFIX, tmp_path) as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "file").touch()
    assert list(tmp_path.iterdir()) == []


def test_the_next_removes_what_a_killed_process_left_and_nothing_that_is_used(
    tmp_path: Path,
) -> None:
    holder, folder = hold(tmp_path)
    try:
        with temporary_folder(PREFIX, tmp_path):
            assert folder.exists()
    finally:
        holder.kill()
        holder.wait()
    age(folder)
    with temporary_folder(PREFIX, tmp_path):
        assert not folder.exists()


@pytest.mark.parametrize("name", ["ibex-folder-new", "ibex-other-old"])
def test_what_is_fresh_or_not_ours_stays(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    if name.endswith("old"):
        age(tmp_path / name)
    with temporary_folder(PREFIX, tmp_path):
        assert (tmp_path / name).exists()
