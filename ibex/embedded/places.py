"""Folders: where ours lie, how they are made, and how long a socket's path may be."""

import hashlib
import os
import tempfile
from pathlib import Path

from ibex.embedded.accounts import Account
from ibex.embedded.errors import FolderError

CLONE = Path(__file__).resolve().parents[2]
SHELTERS = Path("/var/lib/ibex")
SOCKET_PATH_LIMIT = 100
"""Bytes in the longest socket path we use; the kernel's limit is 107."""
LONGEST_SOCKET_NAME = "/.s.PGSQL.5432.lock"


def private_folder(path: Path, account: Account | None = None) -> Path:
    """Create `path` for one account alone; refuse one that exists and is anything else."""
    owner = account.uid if account else os.geteuid()
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        found = path.lstat()
        if not path.is_dir() or path.is_symlink() or found.st_uid != owner or found.st_mode & 0o077:
            raise FolderError(
                f"{path} must be a folder of user {owner} with mode 0700; move it away or fix it."
            ) from None
    else:
        if account:
            os.chown(path, account.uid, account.gid)
    return path


def write_private(path: Path, content: str, account: Account | None = None) -> None:
    """Write a file that only its owner can read; replace it whole or not at all."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with open(fresh, "x", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(content)
    if account:
        os.chown(fresh, account.uid, account.gid)
    fresh.rename(path)


def tail(path: Path, lines: int = 15) -> str:
    """Return the last lines of a log, as they are worth showing."""
    if not path.exists():
        return ""
    return "\n".join(path.read_text(errors="replace")[-20_000:].splitlines()[-lines:])


def shelter() -> Path:
    """Create root's folder for this clone where any account can reach it; return it."""
    folder = SHELTERS / f"{CLONE.name}-{digest(CLONE)}"
    for place in (SHELTERS, folder):
        if not place.exists():
            place.mkdir(parents=True, exist_ok=True)
            place.chmod(0o711)  # just made by us; the umask may have closed it
    return folder


def socket_folder(preferred: Path, account: Account | None) -> Path:
    """Create the private folder of a store's socket; a short one when `preferred` is too long."""
    if socket_fits(preferred):
        return private_folder(preferred, account)
    owner = account.uid if account else os.geteuid()
    bases = (Path(tempfile.gettempdir()), Path("/tmp"))  # noqa: S108 - private_folder checks it
    short = (base / f"ibex-{owner}-{digest(preferred)}" for base in bases)
    return private_folder(next(filter(socket_fits, short)), account)


def socket_fits(folder: Path) -> bool:
    """Say whether Postgres's clients can reach a socket in `folder`: they split it at commas."""
    longest = len(os.fsencode(folder)) + len(LONGEST_SOCKET_NAME)
    return longest < SOCKET_PATH_LIMIT and "," not in str(folder)


def digest(path: Path) -> str:
    """Return eight hexadecimal digits that stand for a path."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:8]
