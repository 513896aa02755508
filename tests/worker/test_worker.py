"""The worker as a process: what is due is done once, whatever is killed or lost meanwhile."""

import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from django.utils import timezone

from ibex.embedded.redis import Redis
from ibex.tenancy import tenant
from memories.models import Memory, MemoryVersion, Passage
from sessions.models import Session
from sessions.services import complete_session
from tests.conftest import FULL, TESTS, World
from tests.memories.model import MODEL, ModelPeer, Reply
from tests.processes import ROOT, ServerProcess
from tests.sessions.turns import make_session, record_turn
from tests.worker.conftest import MakeWorker, wait_until

LEASE_S = 2
OUTAGE_S = 20 if FULL else 0
OUTAGES = 30 if FULL else 1


def count(world: World, model: type[Any], **filters: Any) -> int:
    with tenant(world.acme):
        return int(model.objects.filter(**filters).count())


def members(worker: ServerProcess) -> list[int]:
    """List the processes of a worker's group, itself included."""
    assert worker.process
    found = subprocess.run(
        ["pgrep", "-g", str(worker.process.pid)], capture_output=True, text=True, check=False
    )
    return [int(line) for line in found.stdout.split()]


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return str(answer.read().decode())


@contextmanager
def agent_busy(world: World, database_url: str) -> Iterator[None]:
    """Hold the lock that every writer of the agent needs: a worker stops in the middle."""
    lock = "SELECT pg_advisory_lock(hashtextextended('ibex.memories:' || %s, 0))"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(lock, [str(world.scout.pk)])
        yield


def attempts(session: Session) -> int:
    with tenant(session.org_id):
        return Session.objects.get(pk=session.pk).extract_attempts


def assert_learned_once(world: World) -> None:
    wait_until(lambda: count(world, Session, extract_after=None) == 1)
    assert count(world, Memory) == 1
    assert count(world, MemoryVersion) == 1
    assert count(world, Passage) == 2


def test_a_turn_becomes_a_memory_and_passages(
    committed_world: World, make_worker: MakeWorker, embedder: ServerProcess
) -> None:
    token = os.environ["IBEX_SERVICE_TOKEN"]
    worker = make_worker(IBEX_EMBEDDER_URL=embedder.url, IBEX_SERVICE_TOKEN=token)
    worker.start(path="/readyz")
    session = make_session(committed_world.scout)
    record_turn(session, "My host is db.example.com.")
    wait_until(lambda: count(committed_world, Memory, embedding__isnull=False))
    assert count(committed_world, Passage, embedding__isnull=False) == 2
    readiness = json.loads(read(f"{worker.url}/readyz"))
    assert readiness["status"] == "ok"
    assert set(readiness["checks"]) == {"postgres", "redis", "dispatcher", "embedder"}
    wait_until(lambda: "learn_from_session" in read(f"{worker.url}/metrics"))
    metrics = read(f"{worker.url}/metrics")
    done = 'ibex_worker_tasks_total{outcome="success",task="memories.tasks.learn_from_session"}'
    assert done in metrics
    assert 'ibex_memories_written_total{outcome="created"}' in metrics
    assert 'ibex_worker_lag_seconds_count{work="learn"}' in metrics
    assert str(committed_world.acme.pk) not in metrics
    idle = make_session(committed_world.scout)
    record_turn(idle, "I like tea.", due_in=timedelta(hours=1))
    with tenant(committed_world.acme):
        Session.objects.filter(pk=idle.pk).update(completes_at=timezone.now())
    wait_until(lambda: count(committed_world, Session, status="abandoned", extract_after=None) == 1)
    assert count(committed_world, Memory, content="The user likes tea.") == 1
    assert len(members(worker)) >= 4
    worker.stop()
    assert worker.process
    assert worker.process.returncode == 0
    wait_until(lambda: members(worker) == [], 3)
    assert "db.example.com" not in worker.log.read_text()


def test_a_child_killed_in_the_middle_costs_a_lease_and_nothing_else(
    committed_world: World, make_worker: MakeWorker, database_url: str
) -> None:
    worker = make_worker().start()
    session = make_session(committed_world.scout)
    with agent_busy(committed_world, database_url):
        record_turn(session, "I like tea.")
        wait_until(lambda: attempts(session) == 1)
        assert worker.process
        for pid in set(members(worker)) - {worker.process.pid}:
            os.kill(pid, signal.SIGKILL)
    assert_learned_once(committed_world)
    time.sleep(LEASE_S + 1 if FULL else 0)
    assert_learned_once(committed_world)


def test_a_worker_killed_in_the_middle_leaves_no_orphan_and_its_work_to_the_next(
    committed_world: World, make_worker: MakeWorker, database_url: str, tmp_path: Path
) -> None:
    worker = make_worker(TMPDIR=str(tmp_path)).start()
    session = make_session(committed_world.scout)
    with agent_busy(committed_world, database_url):
        record_turn(session, "I like tea.")
        wait_until(lambda: attempts(session) == 1)
        assert worker.process
        os.kill(worker.process.pid, signal.SIGKILL)
        worker.process.wait()
        wait_until(lambda: members(worker) == [], 5)
    (left,) = tmp_path.glob("ibex-worker-*")
    os.utime(left, (0, 0))
    make_worker(TMPDIR=str(tmp_path)).start()
    assert not left.exists()
    assert_learned_once(committed_world)


def test_sigterm_lets_running_work_finish(
    committed_world: World, make_worker: MakeWorker, database_url: str
) -> None:
    worker = make_worker().start()
    session = make_session(committed_world.scout)
    with agent_busy(committed_world, database_url):
        record_turn(session, "I like tea.")
        wait_until(lambda: attempts(session) == 1)
        assert worker.process
        os.killpg(worker.process.pid, signal.SIGTERM)
        time.sleep(0.5)
    assert worker.process.wait(timeout=20) == 0
    assert_learned_once(committed_world)


def test_a_flushed_redis_loses_nothing(
    committed_world: World, make_worker: MakeWorker, broker_url: str, redis_url: str
) -> None:
    make_worker().start()
    database = int(broker_url.rpartition("=")[2])
    broker = redis.Redis.from_url(redis_url.partition("?")[0], db=database)
    sessions = [make_session(committed_world.scout) for _ in range(5)]
    for number, session in enumerate(sessions):
        record_turn(session, f"My host {number} is host-{number}.example.com.")
    end = time.monotonic() + 2
    while time.monotonic() < end:
        broker.flushdb()
    wait_until(lambda: count(committed_world, Session, extract_after=None) == 5)
    assert count(committed_world, Memory) == 5
    assert count(committed_world, Passage) == 10


def test_redis_may_be_away_at_the_start_and_later(
    committed_world: World, make_worker: MakeWorker, tmp_path: Path
) -> None:
    store = Redis(tmp_path / "redis", log=tmp_path / "redis.log")
    worker = make_worker(IBEX_REDIS_URL=store.url, IBEX_CELERY_BROKER_URL=store.broker_url)
    worker.start(path="/healthz")
    assert worker.status("/readyz") == 503
    session = make_session(committed_world.scout)
    record_turn(session, "I like tea.")
    running = store.launch()
    store.wait_ready(running)
    worker.wait_for("/readyz", timeout_s=20)
    assert_learned_once(committed_world)
    running.terminate()
    running.wait()
    worker.wait_for("/readyz", status=503, timeout_s=20)
    time.sleep(OUTAGE_S)
    record_turn(session, "I like coffee.")
    running = store.launch()
    store.wait_ready(running)
    wait_until(lambda: count(committed_world, Memory) == 2)
    for number in range(OUTAGES):  # some of them in the middle of an acknowledgement
        record_turn(session, f"I like drink number {number}.")
        time.sleep(number % 7 / 5)
        running.kill()
        running.wait()
        running = store.launch()
        store.wait_ready(running)
        wait_until(lambda n=number: count(committed_world, Memory) == 3 + n)
    worker.wait_for("/readyz", timeout_s=20)
    worker.stop()
    running.terminate()
    running.wait()


def test_learning_that_hangs_holds_up_nothing_else(
    committed_world: World, make_worker: MakeWorker, model_peer: ModelPeer, tmp_path: Path
) -> None:
    """Two learn at once, and one more process archives, completes and dispatches."""
    hangs = Reply(delay_s=3600)
    model_peer.will(*[hangs] * 10, about="I like tea")
    sessions = [make_session(committed_world.scout) for _ in range(5)]
    for session in sessions:
        record_turn(session, "I like tea.")
    worker = make_worker(
        IBEX_EXTRACTOR="llm",
        IBEX_EXTRACTOR_BASE_URL=model_peer.base_url,
        IBEX_EXTRACTOR_API_KEY="a-key",
        IBEX_EXTRACTOR_MODEL=MODEL,
        IBEX_EXTRACTOR_TIMEOUT_S="200",
        IBEX_WORKER_CONCURRENCY="2",
        IBEX_ARCHIVE_URL=(tmp_path / "archive").as_uri(),
    )
    worker.start(path="/readyz")
    wait_until(lambda: len(model_peer.asked) == 2)
    ended = make_session(committed_world.scout)
    complete_session(session=ended, actor=TESTS, how="completed")
    wait_until(lambda: count(committed_world, Session, archive_version=1) == 1)
    idle = make_session(committed_world.scout, completes_at=timezone.now())
    wait_until(lambda: count(committed_world, Session, pk=idle.pk, status="abandoned") == 1)
    wait_until(lambda: count(committed_world, Session, archive_version=1) == 2)
    assert worker.status("/readyz") == 200
    assert len(model_peer.asked) == 2
    assert count(committed_world, Session, extract_after__isnull=False) >= 5


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"IBEX_EXTRACTOR": "oracle"}, "IBEX_EXTRACTOR must be one of rules"),
        ({"IBEX_DATABASE_URL": ""}, "bypasses row-level security"),
    ],
)
def test_an_unsafe_start_is_refused(
    env: dict[str, str], words: str, database_url: str, owner_url: str, database_name: str
) -> None:
    owner = database_url.replace(
        database_url.split("@", maxsplit=1)[0], owner_url.split("@", maxsplit=1)[0]
    )
    given = {"IBEX_DATABASE_URL": database_url, **env}
    given["IBEX_DATABASE_URL"] = given["IBEX_DATABASE_URL"] or owner
    ended = subprocess.run(
        [os.sys.executable, "-m", "ibex.worker"],
        cwd=ROOT,
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode != 0
    assert words in ended.stderr
