"""Where turns wait, fsynced, while Postgres is away, and where long streams leave checkpoints.

Each proxy process has a folder of its own under the spool folder, locked while it lives. Whoever
starts next adopts the folders of the dead.
"""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from uuid import UUID

import structlog

from ibex.ids import uuid7
from proxy.turns import CallRecord

log = structlog.get_logger(__name__)

TURNS = "turns.jsonl"
REJECTED = "rejected.jsonl"
PARTIAL = ".partial"


class Spool:
    """The folder of one proxy process. Methods block on the disk: call them in a thread."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / str(uuid7())
        self.folder.mkdir(parents=True, mode=0o700)
        self._lock = _lock(self.folder)

    def append(self, records: list[CallRecord]) -> None:
        """Write turns at the end of the spool and wait for the disk."""
        self._append(TURNS, records)

    def reject(self, record: CallRecord) -> None:
        """Set aside a turn that Postgres will not take, for somebody to look at."""
        self._append(REJECTED, [record])

    def checkpoint(self, record: CallRecord) -> None:
        """Keep what a long stream has brought so far; replaces its earlier checkpoint."""
        target = self.folder / f"{record.turn_id}{PARTIAL}"
        draft = target.with_suffix(".draft")
        with draft.open("wb") as handle:
            handle.write(record.to_line())
            _sync(handle)
        draft.replace(target)

    def forget_checkpoint(self, turn_id: UUID) -> None:
        """Drop the checkpoint of a stream whose turn is recorded."""
        (self.folder / f"{turn_id}{PARTIAL}").unlink(missing_ok=True)

    def waiting(self) -> list[CallRecord]:
        """Return the spooled turns, oldest first, each once.

        A process that died half-way left some twice: as checkpoint and whole, or adopted and not
        yet dropped. What was written first is at least as whole as what came after.
        """
        once: dict[UUID, CallRecord] = {}
        for record in _read(self.folder / TURNS):
            once.setdefault(record.turn_id, record)
        return list(once.values())

    def clear(self) -> None:
        """Drop the spooled turns: they are in Postgres."""
        (self.folder / TURNS).unlink(missing_ok=True)

    def adopt(self) -> list[CallRecord]:
        """Take over what dead processes left; their turns are now in this spool.

        A stream's checkpoint becomes a turn that is not complete.
        """
        adopted: list[CallRecord] = []
        for folder in sorted(self.root.iterdir()):
            if folder == self.folder or not folder.is_dir():
                continue
            lock = _lock(folder)
            if lock is None:
                continue
            with lock:
                adopted += self._adopt(folder)
        return adopted

    def close(self) -> None:
        """Give up the folder; an empty one is removed."""
        if self._lock:
            (self.folder / "lock").unlink(missing_ok=True)
            self._lock.close()
        if not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _adopt(self, folder: Path) -> list[CallRecord]:
        records = list(_read(folder / TURNS))
        for partial in sorted(folder.glob(f"*{PARTIAL}")):
            records += _read(partial)
        if records:
            self.append(records)
        for file in folder.iterdir():
            if file.name == REJECTED:
                file.replace(self.root / f"{folder.name}.{REJECTED}")
            else:
                file.unlink(missing_ok=True)
        folder.rmdir()
        return records

    def _append(self, name: str, records: list[CallRecord]) -> None:
        with (self.folder / name).open("ab") as handle:
            handle.write(b"".join(record.to_line() for record in records))
            _sync(handle)


def _read(path: Path) -> Iterator[CallRecord]:
    """Read records from a file. A last line cut short was never acknowledged: it is left out."""
    if not path.exists():
        return
    with path.open("rb") as handle:
        for line in handle:
            try:
                yield CallRecord.from_line(line)
            except (ValueError, KeyError, TypeError):
                log.warning("spool.line_unreadable", file=path.name, size=len(line))


def _lock(folder: Path) -> IO[bytes] | None:
    handle = (folder / "lock").open("ab")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        return None
    return handle


def _sync(handle: IO[bytes]) -> None:
    handle.flush()
    os.fsync(handle.fileno())
