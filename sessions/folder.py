"""Archives in a local folder: written whole or not at all, read through signed links."""

import os
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.files.storage import FileSystemStorage
from django.core.signing import TimestampSigner

SALT = "ibex.archives"
PATH = "/api/v1/archives/"
"""Where the role `api` serves signed links."""


class ArchiveFolder(FileSystemStorage):
    """A folder that only we can read. A file appears under its name when all of it is on disk.

    The file that is being written has one name, made of its final one: whoever tries again after
    a crash writes over it, and deleting an archive deletes it too.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_overwrite=True, directory_permissions_mode=0o700)

    def link(self, name: str, lifetime: timedelta) -> str:
        """Return the path of a link that opens the file; how old it may be is checked then."""
        del lifetime
        return PATH + TimestampSigner(salt=SALT).sign_object(name)

    def check(self) -> None:
        """Raise `OSError` when no file could be written; the folder itself may be still to come."""
        place = Path(self.location)
        while not place.exists():
            place = place.parent
        if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
            raise NotADirectoryError(place)

    def delete(self, name: str) -> None:
        """Remove a file, and what a crash may have left of its next version."""
        super().delete(name)
        _unfinished(self.path(name)).unlink(missing_ok=True)

    def _save(self, name: str, content: Any) -> str:
        target = Path(self.path(name))
        os.makedirs(self.location, mode=0o700, exist_ok=True)  # noqa: PTH103 - mode of one folder
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = _unfinished(target)
        with open(unfinished, "wb", opener=_private) as file:
            shutil.copyfileobj(content, file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(target)
        _sync_folder(target.parent)
        return name


def _unfinished(path: str | Path) -> Path:
    target = Path(path)
    return target.with_name(f".{target.name}.part")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _sync_folder(path: Path) -> None:
    """Make a rename survive a power cut."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
