"""A Postgres and a Redis that a test may kill: its own, not the suite's."""

import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path

import psycopg

from ibex.embedded.bootstrap import DatabasePasswords, app_url, bootstrap, owner_url
from ibex.embedded.postgres import Postgres
from ibex.embedded.processes import Process
from ibex.embedded.redis import Redis

ROOT = Path(__file__).resolve().parent.parent


class OwnStores:
    """Both stores in one folder, each stopped, killed and started at will."""

    def __init__(self, folder: Path) -> None:
        self.postgres = Postgres(folder / "postgres", log=folder / "postgres.log")
        self.redis = Redis(folder / "redis", log=folder / "redis.log")
        self._passwords = DatabasePasswords(secrets.token_hex(8), secrets.token_hex(8))
        self._postgres: Process | None = None
        self._redis: Process | None = None

    @property
    def database_url(self) -> str:
        return app_url(self.postgres, self._passwords)

    @property
    def owner_url(self) -> str:
        """For filling tables faster than any service would."""
        return owner_url(self.postgres, self._passwords)

    def start(self) -> "OwnStores":
        self.start_redis()
        self.start_postgres()
        bootstrap(self.postgres, self._passwords, test_databases=False)
        environment = {
            **os.environ,
            "IBEX_DATABASE_URL": owner_url(self.postgres, self._passwords),
            "IBEX_ROLE": "manage",
        }
        command = [sys.executable, "manage.py", "migrate", "--noinput", "-v", "0"]
        subprocess.run(command, cwd=ROOT, env=environment, check=True)
        return self

    def start_postgres(self) -> None:
        self._postgres = self.postgres.launch()
        self.postgres.wait_ready(self._postgres)

    def start_redis(self) -> None:
        self._redis = self.redis.launch()
        self.redis.wait_ready(self._redis)

    def kill_postgres(self) -> None:
        self._kill(self._postgres)

    def kill_redis(self) -> None:
        self._kill(self._redis)

    def stop(self) -> None:
        for process in (self._postgres, self._redis):
            if process and process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.wait(timeout=20)

    def analyze(self) -> None:
        """Vacuum and analyse, as autovacuum has long done where data did not come at once."""
        url = owner_url(self.postgres, self._passwords)
        with psycopg.connect(url, autocommit=True) as owner:
            owner.execute("VACUUM ANALYZE")

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.database_url)

    @staticmethod
    def _kill(process: Process | None) -> None:
        assert process is not None
        process.kill()
        process.wait(timeout=20)
