"""Temporary folders that do not outlive their process for long, even when it is killed."""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ABANDONED_AFTER_S = 60


@contextlib.contextmanager
def temporary_folder(prefix: str, base: Path | None = None) -> Iterator[Path]:
    """Make a folder, locked while it is used and removed afterwards.

    What killed processes left under the same prefix is removed first.
    """
    base = base or Path(tempfile.gettempdir())
    _remove_abandoned(base, prefix)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=base))
    try:
        with _locked(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the kernel lets it go with the last process that has it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _remove_abandoned(base: Path, prefix: str) -> None:
    """Remove the folders that are ours, a minute old and locked by nobody."""
    for folder in base.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.lstat().st_mtime > ABANDONED_AFTER_S:
                with _locked(folder):
                    shutil.rmtree(folder)
