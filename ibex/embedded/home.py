"""The folder that holds everything a development stack keeps: `./var`, or `IBEX_HOME`."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from ibex.embedded.accounts import Account
from ibex.embedded.errors import EmbeddedError
from ibex.embedded.places import CLONE, digest, private_folder, shelter


class Home:
    """Names every file below one home, and makes the folders; secrets lie in private ones.

    Others may pass through the home itself, because Postgres may run as another account.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        if not self.root.exists():
            self.root.mkdir(parents=True)
            self.root.chmod(0o711)  # just made by us; the umask may have closed it
        for name in ("run", "log", "spool", "models", "static"):
            private_folder(self.root / name)
        self.secrets = self.root / "secrets.env"
        self.stack = self.root / "run/stack.json"
        self.children = self.root / "run/children.json"
        self.spool = self.root / "spool"
        self.models = self.root / "models"
        self.redis = self.root / "redis"

    @classmethod
    def configured(cls) -> "Home":
        """Return the home that `IBEX_HOME` names, else `var` in the clone."""
        return cls(Path(os.environ.get("IBEX_HOME") or CLONE / "var"))

    def log(self, name: str) -> Path:
        """Return the log file of a process."""
        return self.root / "log" / f"{name}.log"

    def postgres(self, account: Account | None) -> Path:
        """Return the database's folder: here, or sheltered where `account` can reach it."""
        if account is None or account.can_enter(self.root):
            return self.root / "postgres"
        return shelter() / f"{self.root.name}-{digest(self.root)}"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold this home alone; the lock ends with the process, however that dies."""
        with (self.root / "run/lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                raise EmbeddedError(
                    f"Process {file.read()} already runs a stack in {self.root}: stop it first, "
                    "or set IBEX_HOME and IBEX_PORT_OFFSET for a second one."
                ) from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield
