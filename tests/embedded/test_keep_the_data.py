"""The bundled Postgres keeps its data, whatever ended it."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import dj_database_url
import psycopg
import pytest

from ibex.embedded.bootstrap import DatabasePasswords, app_url, bootstrap, owner_url
from ibex.embedded.children import Child
from ibex.embedded.errors import EmbeddedError
from ibex.embedded.places import private_folder
from ibex.embedded.postgres import Postgres
from ibex.embedded.strangers import working_in
from tests.embedded.toys import reachable_folder

PASSWORDS = DatabasePasswords(owner="owner's % password", app="app")


@contextmanager
def running(
    folder: Path, passwords: DatabasePasswords = PASSWORDS
) -> Iterator[tuple[Postgres, Child]]:
    """A server in `folder`, stopped at the end unless something else ended it."""
    server = Postgres(folder, log=folder.parent / "postgres.log")
    child = Child(server)
    try:
        server.wait_ready(child.start())
        bootstrap(server, passwords, test_databases=False)
        yield server, child
    finally:
        child.stop()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Path]:
    """A cluster that several tests start and stop: making one takes longest."""
    with reachable_folder() as folder:
        yield folder / "pg"


def ask(url: str, statement: str) -> list[tuple]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def test_starting_again_keeps_the_data_and_takes_new_passwords(cluster: Path) -> None:
    with running(cluster) as (server, _):
        ask(owner_url(server, PASSWORDS), "CREATE TABLE kept AS SELECT 1 AS a")
        bootstrap(server, PASSWORDS, test_databases=False)
    changed = DatabasePasswords(owner="changed", app="changed")
    with running(cluster, changed) as (server, _):
        assert ask(app_url(server, changed), "SELECT a FROM kept") == [(1,)]
        with pytest.raises(psycopg.OperationalError):
            ask(app_url(server, PASSWORDS), "SELECT 1")


def test_the_lasting_server_is_durable_and_gives_nobody_more_than_asked(cluster: Path) -> None:
    with running(cluster) as (server, _):
        url = owner_url(server, PASSWORDS)
        settings = dict(ask(url, "SELECT name, setting FROM pg_settings"))
        (creates,) = ask(url, "SELECT rolcreatedb FROM pg_roles WHERE rolname = 'ibex_owner'")
    assert (settings["fsync"], settings["synchronous_commit"]) == ("on", "on")
    assert settings["data_checksums"] == "on"
    assert creates == (False,)


def test_a_failed_statement_leaves_no_text_in_the_servers_log(cluster: Path) -> None:
    with running(cluster) as (server, _):
        url = owner_url(server, PASSWORDS)
        ask(url, "CREATE TABLE said (what text PRIMARY KEY)")
        ask(url, "INSERT INTO said VALUES ('a secret canary')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            ask(url, "INSERT INTO said VALUES ('a secret canary')")
        assert server.log.exists()
        assert "canary" not in server.log.read_text()


def test_a_killed_server_starts_again_with_what_was_committed(cluster: Path) -> None:
    with running(cluster) as (server, child):
        ask(owner_url(server, PASSWORDS), "CREATE TABLE committed AS SELECT 1 AS a")
        child.process.send_signal(signal.SIGKILL)
    with running(cluster) as (server, _):
        assert ask(app_url(server, PASSWORDS), "SELECT a FROM committed") == [(1,)]


def test_an_orphaned_server_is_stopped_before_the_next_one_starts(cluster: Path) -> None:
    with running(cluster) as (_, orphan):
        with running(cluster) as (server, _):
            assert orphan.process.wait(10) == 0
            assert ask(app_url(server, PASSWORDS), "SELECT 1") == [(1,)]
        assert not working_in(server.data)


def test_a_stale_pid_file_that_names_a_stranger_harms_neither(cluster: Path) -> None:
    with running(cluster) as (server, _):
        pid_file = server.data / "postmaster.pid"
        content = pid_file.read_text()
    account = server.account
    stranger = subprocess.Popen(["sleep", "60"], user=account.uid if account else None)
    pid_file.write_text("\n".join([str(stranger.pid), *content.splitlines()[1:]]))
    if account:
        os.chown(pid_file, account.uid, account.gid)
    try:
        with running(cluster) as (server, _):
            assert ask(app_url(server, PASSWORDS), "SELECT 1") == [(1,)]
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_an_interrupted_first_start_is_made_good(folder: Path) -> None:
    server = Postgres(folder / "pg", log=folder / "postgres.log")
    unfinished = private_folder(server.folder / "data.unfinished", server.account)
    (unfinished / "PG_VERSION").write_text("18")
    with running(folder / "pg") as (server, _):
        assert ask(app_url(server, PASSWORDS), "SELECT 1") == [(1,)]


def test_the_data_of_another_version_is_refused_by_name(folder: Path) -> None:
    server = Postgres(folder / "pg", log=folder / "postgres.log")
    private_folder(server.data, server.account)
    (server.data / "PG_VERSION").write_text("16\n")
    with pytest.raises(EmbeddedError, match="made by Postgres 16"):
        server.launch()


@pytest.mark.parametrize("name", ["With Capitals & more", "one,two", "long-" * 15])
def test_libpq_and_django_find_the_socket_of_any_folder(folder: Path, name: str) -> None:
    server = Postgres(folder / name, log=folder / "postgres.log")
    url = app_url(server, PASSWORDS)
    assert dj_database_url.parse(url)["HOST"] == str(server.sockets)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(server.sockets / ".s.PGSQL.5432"))
    listener.listen()

    def hang_up() -> None:
        listener.accept()[0].close()

    with ThreadPoolExecutor() as pool:
        pool.submit(hang_up)
        with pytest.raises(psycopg.OperationalError, match="closed the connection unexpectedly"):
            psycopg.connect(url)
    if server.sockets.parent != server.folder:
        shutil.rmtree(server.sockets)


def test_a_folder_that_others_can_enter_is_refused(folder: Path) -> None:
    (folder / "pg").mkdir(mode=0o755)
    with pytest.raises(EmbeddedError, match="0700"):
        Postgres(folder / "pg", log=folder / "postgres.log")
