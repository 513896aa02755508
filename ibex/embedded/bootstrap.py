"""Roles, database and extension of the bundled Postgres, from the operator's own SQL file."""

import os
import subprocess
from dataclasses import dataclass

from ibex.embedded.cluster import SUPERUSER, password_file
from ibex.embedded.errors import StoreError
from ibex.embedded.places import CLONE
from ibex.embedded.postgres import Postgres
from ibex.embedded.urls import postgres_url

ROLES = CLONE / "infra/postgres/roles.sql"
DATABASE = "ibex"


@dataclass(frozen=True)
class DatabasePasswords:
    """The passwords of the two roles: the owner migrates, the app runs."""

    owner: str
    app: str


def bootstrap(server: Postgres, passwords: DatabasePasswords, *, test_databases: bool) -> None:
    """Run `infra/postgres/roles.sql` as superuser; running it again changes only passwords.

    With `test_databases` the owner may create databases, and new ones are born with the grants.
    """
    variables = {
        "PGHOST": str(server.sockets),
        "PGPORT": "5432",
        "PGUSER": SUPERUSER,
        "PGPASSWORD": password_file(server.folder).read_text(),
        "PGDATABASE": "postgres",
        "IBEX_DATABASE_OWNER_PASSWORD": passwords.owner,
        "IBEX_DATABASE_APP_PASSWORD": passwords.app,
    }
    done = subprocess.run(  # noqa: S603 - our own program and file
        [
            str(server.programs / "psql"),
            *("--no-psqlrc", "--quiet"),
            *(["--set=test_databases=on"] if test_databases else []),
            f"--file={ROLES}",
        ],
        env={"PATH": os.environ.get("PATH", os.defpath), **variables},
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,  # Ctrl-C is the supervisor's to answer
    )
    if done.returncode:
        raise StoreError(f"{ROLES.name} failed.\n{done.stderr.strip()}")


def owner_url(server: Postgres, passwords: DatabasePasswords) -> str:
    """Return the address of the database for migrations."""
    return _url(server, "ibex_owner", passwords.owner)


def app_url(server: Postgres, passwords: DatabasePasswords) -> str:
    """Return the address of the database for everything that runs."""
    return _url(server, "ibex_app", passwords.app)


def _url(server: Postgres, user: str, password: str) -> str:
    return postgres_url(user=user, password=password, sockets=server.sockets, database=DATABASE)
