"""A database and a Redis of one command's own, gone when it ends."""

import contextlib
import os
import secrets
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ibex.embedded.accounts import postgres_account
from ibex.embedded.bootstrap import DatabasePasswords, app_url, bootstrap, owner_url
from ibex.embedded.children import Child
from ibex.embedded.errors import EmbeddedError, StoreError
from ibex.embedded.places import socket_fits
from ibex.embedded.postgres import Postgres
from ibex.embedded.processes import Process, launch
from ibex.embedded.redis import Redis
from ibex.folders import temporary_folder

PREFIX = "ibex-run-"
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def run_with_stores(command: Sequence[str]) -> int:
    """Run `command` with fresh stores and return its exit code, 128 + n when signal n ended it."""
    relay = _Relay()
    with _folder() as folder, temporary_stores(folder) as addresses:
        code = relay.run(command, {**_throwaway_secrets(), **os.environ, **addresses})
    return 128 - code if code < 0 else code


def _throwaway_secrets() -> dict[str, str]:
    """Make the secrets without which no process starts; the caller's own ones win."""
    names = ("IBEX_SECRET_KEY", "IBEX_TOKEN_KEY", "IBEX_SERVICE_TOKEN")
    return {"IBEX_ENV": "development"} | {name: secrets.token_urlsafe(48) for name in names}


@contextlib.contextmanager
def temporary_stores(folder: Path) -> Iterator[dict[str, str]]:
    """Start Postgres and Redis in `folder`; yield the variables that name them; stop both.

    Nothing is synced to disk, and the owner may create databases.
    """
    redis = Redis(folder / "redis", log=folder / "redis.log")
    postgres = Postgres(folder / "postgres", log=folder / "postgres.log", temporary=True)
    passwords = DatabasePasswords(secrets.token_urlsafe(16), secrets.token_urlsafe(16))
    with contextlib.ExitStack() as running:
        for store in (redis, postgres):
            child = Child(store)
            running.callback(child.stop)
            store.wait_ready(child.start())
        bootstrap(postgres, passwords, test_databases=True)
        yield {
            "IBEX_DATABASE_URL": app_url(postgres, passwords),
            "IBEX_DATABASE_OWNER_URL": owner_url(postgres, passwords),
            "IBEX_REDIS_URL": redis.url,
            "IBEX_CELERY_BROKER_URL": redis.broker_url,
        }


class _Relay:
    """Passes signals on to the command; before there is one they end this process in order."""

    def __init__(self) -> None:
        self._command: Process | None = None
        for number in SIGNALS:
            signal.signal(number, self._receive)

    def run(self, command: Sequence[str], env: Mapping[str, str]) -> int:
        """Run the command in our own process group: the terminal stays its terminal."""
        try:
            self._command = launch(command, env=env, own_session=False)
        except OSError as error:
            raise EmbeddedError(f"Cannot run {command[0]}: {error.strerror}.") from None
        try:
            return self._command.wait()
        finally:
            self._ignore()

    def _receive(self, number: int, _frame: object) -> None:
        if self._command is None:
            self._ignore()
            raise SystemExit(128 + number)
        if number == signal.SIGINT and sys.stdin and sys.stdin.isatty():
            return  # the terminal has sent it to the command as well
        self._command.send_signal(number)

    def _ignore(self) -> None:
        """Let nothing cut the cleaning up, which is short."""
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """Make a folder for one run where Postgres's account can enter; remove it afterwards."""
    account = postgres_account()
    bases = (Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - mkdtemp
    fitting = (base for base in bases if socket_fits(base / PREFIX / "12345678/postgres/socket"))
    base = next((base for base in fitting if account is None or account.can_enter(base)), None)
    if base is None:
        raise StoreError("No temporary folder has a short path that Postgres's account can enter.")
    with temporary_folder(PREFIX, base) as folder:
        if account:
            os.chown(folder, account.uid, account.gid)
        yield folder
