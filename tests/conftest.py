"""The shared world: a database per worker, and people with roles.

The database is created and migrated as `ibex_owner` once, as a template, cloned per worker, and
then used as `ibex_app` under row-level security. `make test` provides Postgres and Redis.
"""

import functools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from _pytest.nodeid import coerce_node_id  # a new id has no public door
from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.core.management import call_command
from django.db import connections
from django.test import Client
from django.utils import timezone
from psycopg import sql
from xdist.scheduler import LoadFileScheduling

from agents.models import Agent
from agents.services import create_agent
from ibex.ids import uuid7
from ibex.tenancy import tenant
from memories.indexing.vectors import embedder
from orgs.audit import Actor
from orgs.members import add_member
from orgs.models import Membership, Operator, Organization, Token
from orgs.permissions import ALL, Permission
from orgs.services import create_organization, issue_token

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = "ibex_test_template"
ONE_AT_A_TIME = 7_301
FULL = os.environ.get("IBEX_TEST_FULL") == "1"
PASSWORD = "correct horse battery staple"
TESTS = Actor.system("tests")


def with_database(url: str, name: str) -> str:
    """Return the same server's URL with another database."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"/{name}"))


SLOW_FIRST = ["browser", "stack", "worker", "proxy", "jobs", "embedded", "sessions", "control"]
"""Folders whose tests wait for processes: none of them is left for the end, when others idle."""


class FilesScheduling(LoadFileScheduling):
    """A file goes to one worker, and all browser tests to one: they share a stack."""

    def _split_scope(self, nodeid: str) -> str:
        in_browser = nodeid.startswith("tests/browser/")
        return "tests/browser" if in_browser else super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> FilesScheduling:
    return FilesScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slow folders first, and refuse tests of one id: a worker would run but one of them.

    Schemathesis names an operation in a test's name alone, not in its id.
    """
    for item in items:
        if item.parent and not item.nodeid.endswith(item.name):
            item._id = coerce_node_id(f"{item.parent.nodeid}::{item.name}")
    if len({item.nodeid for item in items}) < len(items):
        raise pytest.UsageError("Two tests have the same id.")
    places = {name: place for place, name in enumerate(SLOW_FIRST)}
    items.sort(key=lambda item: places.get(item.path.parent.name, len(places)))


@pytest.fixture(scope="session")
def owner_url() -> str:
    url = os.environ.get("IBEX_DATABASE_OWNER_URL")
    if not url:
        pytest.exit("Run the tests with `make test`: it starts Postgres and Redis for them.", 2)
    return url


@pytest.fixture(scope="session")
def database_name(owner_url: str, worker_id: str) -> Iterator[str]:
    """Clone the migrated template for this worker; it goes with the suite's Postgres."""
    name = f"ibex_test_{worker_id}"
    with psycopg.connect(with_database(owner_url, "postgres"), autocommit=True) as owner:
        owner.execute("SELECT pg_advisory_lock(%s)", [ONE_AT_A_TIME])  # until the connection ends
        _ensure_template(owner, owner_url)
        owner.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))
        owner.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(TEMPLATE)
            )
        )
    yield name
    connections.close_all()


def _ensure_template(owner: psycopg.Connection, owner_url: str) -> None:
    found = owner.execute("SELECT 1 FROM pg_database WHERE datname = %s", [TEMPLATE]).fetchone()
    if found:
        return
    owner.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
    url = with_database(owner_url, TEMPLATE)
    with psycopg.connect(url, autocommit=True) as fresh:
        fresh.execute("GRANT USAGE ON SCHEMA public TO ibex_app")
        fresh.execute(
            "ALTER DEFAULT PRIVILEGES IN SCHEMA public "
            "GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO ibex_app"
        )
        fresh.execute(
            "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO ibex_app"
        )
    environment = os.environ | {"IBEX_DATABASE_URL": url, "IBEX_ROLE": "manage"}
    command = [sys.executable, "manage.py", "migrate", "--noinput", "-v", "0"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)


@pytest.fixture(scope="session")
def database_url(database_name: str) -> str:
    """The worker's database as `ibex_app`: what every process under test connects to."""
    return with_database(os.environ["IBEX_DATABASE_URL"], database_name)


@pytest.fixture(scope="session")
def redis_url() -> str:
    return os.environ["IBEX_REDIS_URL"]


@pytest.fixture(scope="session")
def django_db_setup(database_name: str, django_db_blocker: pytest.FixtureRequest) -> None:
    """Point Django at the worker's clone instead of letting it create a database."""
    connections.close_all()
    settings.DATABASES["default"]["NAME"] = database_name
    connections["default"].settings_dict["NAME"] = database_name


@dataclass
class World:
    """Acme, where Alice works, and Elsewhere, where Mallory does."""

    acme: Organization
    elsewhere: Organization
    alice: Operator
    mallory: Operator
    scout: Agent
    spy: Agent
    tokens: dict[str, str] = field(default_factory=dict)

    def token(
        self,
        org: Organization | None = None,
        permissions: Permission = ALL,
        *,
        agent: Agent | None = None,
        **options: object,
    ) -> str:
        """Issue a token and return its text; Acme's unless told otherwise."""
        _row, text = issue_token(
            org=org or self.acme,
            name="A token",
            permissions=permissions,
            held=ALL,
            actor=TESTS,
            agent=agent,
            **options,  # type: ignore[arg-type]
        )
        return text

    def expired_token(self) -> str:
        """Issue a token of Acme's, and let it expire."""
        text = self.token()
        with tenant(self.acme):
            past = timezone.now() - timedelta(seconds=1)
            Token.objects.filter(pk=text.split("_")[2]).update(expires_at=past)
        return text

    def token_row(self, text: str) -> Token:
        """Find the row of a token that `token()` issued."""
        token_id = text.split("_")[2]
        for org in (self.acme, self.elsewhere):
            with tenant(org):
                found = Token.objects.filter(pk=token_id).first()
            if found:
                return found
        raise LookupError(token_id)

    def member(self, role: str, org: Organization | None = None) -> Operator:
        """Make an operator with a role in Acme, or in another org."""
        operator = make_operator(f"{role}-{uuid7()}@example.com", role)
        add_member(org=org or self.acme, operator=operator, role=role, actor=TESTS)
        return operator


@functools.cache
def hashed_password() -> str:
    """`PASSWORD` as Argon2id keeps it; made once, since it is slow on purpose."""
    return Argon2PasswordHasher().encode(PASSWORD, "salt-of-the-tests")


def make_operator(email: str, name: str) -> Operator:
    """Make a person who signs in with `PASSWORD`."""
    return Operator.objects.create(email=email, name=name, password=hashed_password())


def make_world() -> World:
    """Create both organizations anew, with names that no other test has."""
    mark = uuid7().hex[-10:]
    acme = create_organization(name="Acme", slug=f"acme-{mark}", actor=TESTS)
    elsewhere = create_organization(name="Elsewhere", slug=f"elsewhere-{mark}", actor=TESTS)
    for org in (acme, elsewhere):
        with tenant(org):
            Organization.objects.filter(pk=org.pk).update(rpm=60_000)
    alice = make_operator(f"alice-{mark}@example.com", "Alice")
    mallory = make_operator(f"mallory-{mark}@example.com", "Mallory")
    add_member(org=acme, operator=alice, role=Membership.Role.OWNER, actor=TESTS)
    add_member(org=elsewhere, operator=mallory, role=Membership.Role.OWNER, actor=TESTS)
    scout = create_agent(org=acme, name="Scout", slug="scout", memory_scope="agent", actor=TESTS)
    spy = create_agent(org=elsewhere, name="Spy", slug="spy", memory_scope="agent", actor=TESTS)
    return World(acme, elsewhere, alice, mallory, scout, spy)


@pytest.fixture(scope="session", autouse=True)
def static_files_are_looked_for_when_asked() -> None:
    """Each `Client` loads the middleware anew, and would list every static file as it does."""
    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture(autouse=True)
def no_grudge_against_the_embedder() -> None:
    """A process leaves an embedder alone that was away; the next test has another one."""
    embedder.cache_clear()


@pytest.fixture
def world(db: None) -> World:
    """A fresh world inside the test's transaction."""
    return make_world()


@pytest.fixture
def committed_world(database_name: str, django_db_setup: None, django_db_blocker: object) -> World:
    """A fresh world that other processes and connections see; fresh orgs instead of a flush."""
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        yield make_world()
        connections.close_all()


SignIn = Callable[[Operator], Client]


@pytest.fixture
def sign_in() -> SignIn:
    def _sign_in(operator: Operator) -> Client:
        client = Client()
        client.force_login(operator)
        return client

    return _sign_in


__all__ = ["FULL", "ROOT", "World", "call_command", "make_world", "with_database"]
