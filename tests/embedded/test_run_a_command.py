"""`python -m ibex.embedded run`: stores for one command, and nothing left of them."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from ibex.embedded.processes import wait_until
from tests.embedded.toys import HERE, PATIENCE_S, clean_environment, processes_with, run_command

SLEEP = "import os, time; print(os.environ['IBEX_REDIS_URL'], flush=True); time.sleep(600)"


@pytest.fixture(scope="module")
def probe() -> dict:
    """What one command finds."""
    output, errors = run_command(sys.executable, str(HERE / "probe_run.py")).communicate()
    assert output, errors
    return json.loads(output)


def folder_of(redis_url: str) -> Path:
    """The folder of a run, from the address of its Redis."""
    return Path(redis_url.removeprefix("unix://").partition("?")[0]).parents[1]


def test_every_address_works_in_the_shape_its_client_reads(probe: dict) -> None:
    assert probe["redis"] is True
    assert probe["celery"] == "work"
    assert probe["environment"]["IBEX_DATABASE_URL"].startswith("postgres://ibex_app:")
    assert 180000 <= probe["version"] < 190000


def test_neither_role_can_bypass_row_level_security(probe: dict) -> None:
    assert probe["app"] == ["ibex_app", False, False, False]
    assert probe["owner"] == ["ibex_owner", False, False, True]
    assert probe["closed_policy"] == [1, 0]


def test_only_the_owner_creates_tables(probe: dict) -> None:
    assert probe["owner_creates"] is True
    assert probe["app_creates"] is False


def test_a_database_made_for_tests_has_vectors_and_the_grants(probe: dict) -> None:
    assert "ibex_app=arwd/ibex_owner" in probe["another"][0]


def test_no_store_listens_on_a_port(probe: dict) -> None:
    assert probe["settings"]["listen_addresses"] == ""
    assert probe["redis_port"] == "0"


def test_the_folder_is_private_while_it_lasts_and_gone_afterwards(probe: dict) -> None:
    assert not folder_of(probe["environment"]["IBEX_REDIS_URL"]).exists()
    assert not processes_with(str(folder_of(probe["environment"]["IBEX_REDIS_URL"])))


def test_the_exit_code_is_the_commands() -> None:
    assert run_command("sh", "-c", "exit 7").wait(PATIENCE_S) == 7


def test_two_at_once_never_meet() -> None:
    script = (
        "import os, psycopg, time\n"
        "with psycopg.connect(os.environ['IBEX_DATABASE_OWNER_URL']) as owner:\n"
        "    owner.execute('CREATE TABLE mine (a int)')\n"
        "time.sleep(0.5)\n"
        "print(os.environ['IBEX_REDIS_URL'])\n"
    )
    runs = [run_command(sys.executable, "-c", script) for _ in range(2)]
    ends = [run.communicate(timeout=PATIENCE_S) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], ends
    assert len({output for output, _ in ends}) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_the_command_and_everything_stops(number: signal.Signals) -> None:
    run = run_command(sys.executable, "-c", SLEEP)
    folder = folder_of(run.stdout.readline().strip())
    assert folder.stat().st_mode & 0o777 == 0o700
    run.send_signal(number)
    assert run.wait(PATIENCE_S) in {128 + number, 1}  # 1: Python's own end after SIGINT
    assert not folder.exists()
    assert not processes_with(str(folder))


def test_a_killed_run_takes_its_stores_with_it_and_the_next_removes_its_folder() -> None:
    run = run_command(sys.executable, "-c", SLEEP)
    folder = folder_of(run.stdout.readline().strip())
    run.kill()
    assert wait_until(lambda: not processes_with(str(folder)), PATIENCE_S)
    hour_ago = time.time() - 3600
    os.utime(folder, (hour_ago, hour_ago))
    assert run_command("true").wait(PATIENCE_S) == 0
    assert not folder.exists()


def test_a_command_that_does_not_exist_is_named() -> None:
    run = run_command("no-such-program")
    _, errors = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 1
    assert "Cannot run no-such-program" in errors


def test_a_temporary_folder_with_a_long_path_is_not_used(folder: Path) -> None:
    deep = folder / ("x" * 90)
    deep.mkdir()
    run = run_command("true", env=clean_environment(TMPDIR=str(deep)))
    assert run.wait(PATIENCE_S) == 0
    assert not list(deep.iterdir())
