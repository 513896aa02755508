"""The stores of a development stack: bundled ones, or the operator's own."""

from ibex.embedded.accounts import postgres_account
from ibex.embedded.bootstrap import DatabasePasswords, app_url, bootstrap, owner_url
from ibex.embedded.children import Child
from ibex.embedded.environment import is_set
from ibex.embedded.errors import EmbeddedError
from ibex.embedded.home import Home
from ibex.embedded.postgres import Postgres
from ibex.embedded.processes import Process
from ibex.embedded.redis import Redis
from ibex.embedded.urls import broker_url_of
from ibex.env import env


class Stores:
    """Starts what the operator has not set; knows the addresses either way."""

    def __init__(self, home: Home, secrets: dict[str, str]) -> None:
        self._home = home
        self._passwords = DatabasePasswords(
            owner=secrets["IBEX_DATABASE_OWNER_PASSWORD"],
            app=secrets["IBEX_DATABASE_APP_PASSWORD"],
        )
        self.children: list[Child] = []
        self.addresses: dict[str, str] = {}
        self.owner_url = ""

    def start(self) -> None:
        """Start the bundled stores that are needed, Redis first: it is ready at once."""
        if is_set("IBEX_DATABASE_URL") and not is_set("IBEX_DATABASE_OWNER_URL"):
            raise EmbeddedError(
                "IBEX_DATABASE_URL is set, IBEX_DATABASE_OWNER_URL is not: migrations need it "
                "(see infra/postgres/roles.sql)."
            )
        self._start_redis()
        self._start_postgres()

    def stop(self) -> None:
        """Stop what was started, last first."""
        for child in reversed(self.children):
            child.stop()

    def _start_redis(self) -> None:
        if is_set("IBEX_REDIS_URL"):
            url: str = env.str("IBEX_REDIS_URL")
            self.addresses |= {"IBEX_REDIS_URL": url, "IBEX_CELERY_BROKER_URL": broker_url_of(url)}
            return
        redis = Redis(self._home.redis, log=self._home.log("redis"))
        redis.wait_ready(self._run(Child(redis)))
        self.addresses |= {"IBEX_REDIS_URL": redis.url, "IBEX_CELERY_BROKER_URL": redis.broker_url}

    def _start_postgres(self) -> None:
        if is_set("IBEX_DATABASE_URL"):
            self.addresses["IBEX_DATABASE_URL"] = env.str("IBEX_DATABASE_URL")
            self.owner_url = env.str("IBEX_DATABASE_OWNER_URL")
            return
        folder = self._home.postgres(postgres_account())
        postgres = Postgres(folder, log=self._home.log("postgres"))
        postgres.wait_ready(self._run(Child(postgres)))
        bootstrap(postgres, self._passwords, test_databases=False)
        self.addresses["IBEX_DATABASE_URL"] = app_url(postgres, self._passwords)
        self.owner_url = owner_url(postgres, self._passwords)

    def _run(self, child: Child) -> Process:
        self.children.append(child)
        return child.start()
