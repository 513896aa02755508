"""Who Postgres runs as, and what that account can reach.

Postgres refuses to run as root, so root's stack runs it as an account without rights.
"""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from ibex.embedded.errors import StoreError

CANDIDATES = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """A user and its first group, by number: in a container neither need have a name."""

    uid: int
    gid: int

    def can_enter(self, folder: Path) -> bool:
        """Say whether this account may pass through `folder` and every folder above it.

        Reads the mode bits only; a folder that does not exist yet counts as its parent.
        """
        existing = folder
        while not existing.exists():
            existing = existing.parent
        existing = existing.resolve()
        return all(self._may(place, stat.S_IXOTH) for place in (existing, *existing.parents))

    def can_read(self, file: Path) -> bool:
        """Say whether this account may read `file`, by its path's mode bits."""
        return self.can_enter(file.parent) and self._may(file, stat.S_IROTH)

    def can_run(self, program: Path) -> bool:
        """Say whether this account may execute `program`, by its path's mode bits."""
        return self.can_read(program) and self._may(program, stat.S_IXOTH)

    def _may(self, path: Path, bit: int) -> bool:
        found = path.stat()
        if found.st_uid == self.uid:
            return bool(found.st_mode & bit << 6)
        if found.st_gid == self.gid:
            return bool(found.st_mode & bit << 3)
        return bool(found.st_mode & bit)


def postgres_account(data: Path | None = None) -> Account | None:
    """Choose who Postgres runs as: None for ourselves, unless we are root.

    An existing data folder keeps its owner.
    """
    if os.geteuid() != 0:
        return None
    if data and data.exists() and (owner := data.stat()).st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    for name in CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise StoreError(f"Postgres does not run as root, and no account {CANDIDATES} exists.")
