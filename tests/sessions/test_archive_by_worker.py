"""The worker archives what ended within seconds, whatever is killed or away meanwhile."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ibex.tenancy import tenant
from sessions.models import Session
from tests.conftest import World
from tests.sessions.archives import fresh, lines
from tests.sessions.test_archives_become_due import record, terminate
from tests.sessions.turns import make_session
from tests.worker.conftest import MakeWorker, wait_until

WITHIN_S = 30
KEYS = {"AWS_ACCESS_KEY_ID": "test-access", "AWS_SECRET_ACCESS_KEY": "test-secret"}


@pytest.fixture
def address(folder: Path) -> str:
    return folder.as_uri()


@pytest.fixture
def silent_store() -> Iterator[str]:
    """A store that takes connections and never answers: an upload hangs in the middle."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def ended_session(world: World, turns: int = 3) -> Session:
    session = make_session(world.scout)
    for _ in range(turns):
        record(session)
    terminate(session)
    return session


def is_archived(session: Session) -> bool:
    row = fresh(session)
    return row.archive_version > 0 and row.archive_after is None


def test_a_terminated_session_is_archived_in_time(
    committed_world: World, make_worker: MakeWorker, address: str
) -> None:
    worker = make_worker(IBEX_ARCHIVE_URL=address).start(path="/readyz")
    session = make_session(committed_world.scout)
    for _ in range(20):
        record(session)
    terminate(session)
    wait_until(lambda: is_archived(session), WITHIN_S)
    assert len(lines(session)) == 21
    worker.stop()
    assert "Hello" not in worker.log.read_text()


def test_a_worker_killed_before_the_upload_leaves_it_to_the_next(
    committed_world: World, make_worker: MakeWorker, address: str, silent_store: str
) -> None:
    hanging = f"s3://ibex-sessions?endpoint_url={silent_store}"
    long = {"IBEX_WORKER_LEASE_S": "60"}  # as it is unless somebody says otherwise
    worker = make_worker(IBEX_ARCHIVE_URL=hanging, **KEYS, **long).start()
    session = ended_session(committed_world)
    wait_until(lambda: fresh(session).archive_attempts == 1)
    assert worker.process
    os.kill(worker.process.pid, signal.SIGKILL)
    worker.process.wait()
    assert fresh(session).archive_version == 0
    make_worker(IBEX_ARCHIVE_URL=address, **long).start()
    wait_until(lambda: is_archived(session), WITHIN_S)
    assert fresh(session).archive_version == 1
    assert len(lines(session)) == 4


def test_a_store_that_comes_back_gets_what_it_missed(
    committed_world: World, make_worker: MakeWorker, folder: Path, address: str
) -> None:
    folder.write_text("a file where the folder should be")
    worker = make_worker(IBEX_ARCHIVE_URL=address).start()
    sessions = [ended_session(committed_world) for _ in range(3)]
    wait_until(lambda: any(fresh(session).archive_attempts for session in sessions))
    folder.unlink()
    with tenant(committed_world.acme):  # the wait itself is tested elsewhere
        Session.objects.update(archive_claimed_until=None)
    wait_until(lambda: all(is_archived(session) for session in sessions), WITHIN_S)
    assert all(len(lines(session)) == 4 for session in sessions)
    log = worker.log.read_text()
    assert "Hello" not in log
    assert str(committed_world.acme.name) not in log


def test_a_store_that_is_silent_holds_up_no_learning(
    committed_world: World, make_worker: MakeWorker, silent_store: str
) -> None:
    """Each upload waits in vain, and what is due besides is done all the same."""
    make_worker(IBEX_ARCHIVE_URL=f"s3://ibex-sessions?endpoint_url={silent_store}", **KEYS).start()
    sessions = [ended_session(committed_world) for _ in range(10)]
    learned = lambda: all(fresh(session).extract_after is None for session in sessions)  # noqa: E731
    wait_until(learned, 60)  # a busy machine; uploads one after another would hang for longer
    assert not any(is_archived(session) for session in sessions)
