"""A new Postgres cluster: password logins only, UTF-8 with the same order on every machine.

The folder `data` is complete or absent: `initdb` works beside it and the result is renamed.
"""

import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ibex.embedded.binaries import MAJOR
from ibex.embedded.errors import StoreError
from ibex.embedded.places import tail, write_private

if TYPE_CHECKING:
    from ibex.embedded.postgres import Postgres

SUPERUSER = "postgres"


def create_cluster(server: "Postgres") -> None:
    """Make the data folder of `server`; what an interrupted attempt left is thrown away."""
    unfinished = server.folder / "data.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    password = password_file(server.folder)
    write_private(password, secrets.token_urlsafe(24), server.account)
    options = [
        f"--pgdata={unfinished}",
        f"--username={SUPERUSER}",
        f"--pwfile={password}",
        "--auth-local=scram-sha-256",
        "--auth-host=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--data-checksums",
        "--no-sync" if server.temporary else "--sync-method=syncfs",
    ]
    if server.run("initdb", *options).wait():
        raise StoreError(f"initdb failed.\n{tail(server.log)}")
    unfinished.rename(server.data)


def password_file(folder: Path) -> Path:
    """Return where the superuser's password lies: beside the data it opens."""
    return folder / "superuser-password"


def check_version(data: Path) -> None:
    """Refuse the data folder of another major version."""
    found = (data / "PG_VERSION").read_text().strip()
    if found != MAJOR:
        raise StoreError(
            f"{data} was made by Postgres {found} and the bundled one is {MAJOR}: dump and "
            "reload it, or set IBEX_DATABASE_URL to a server of your own."
        )
