"""A job outlives its worker: killed without warning, it goes on elsewhere and does nothing twice."""

import os
import signal
from pathlib import Path

from jobs.models import Job
from jobs.services import cancel_job, enqueue_job
from tests.conftest import World
from tests.jobs import kinds
from tests.jobs.conftest import acting, fresh, items
from tests.processes import ServerProcess
from tests.worker.conftest import (
    MakeWorker,
    broker_url,
    make_worker,
    nothing_else_is_due,
    wait_until,
)

__all__ = ["broker_url", "kinds", "make_worker", "nothing_else_is_due"]

COUNT = 60


def start(make_worker: MakeWorker) -> ServerProcess:
    worker = make_worker(IBEX_WORKER_JOBS="1000")
    worker.command[2] = "tests.jobs.toy_worker"
    return worker.start(path="/readyz")


def ask(world: World) -> Job:
    return enqueue_job(
        org=world.acme,
        kind="tests.items",
        actor=acting(world.alice),
        parameters={"count": COUNT, "pause_s": 0.3},
    )


def kill(worker: ServerProcess) -> None:
    assert worker.process
    os.killpg(worker.process.pid, signal.SIGKILL)
    worker.process.wait()


def test_a_killed_workers_job_is_finished_by_the_next_and_each_item_done_once(
    committed_world: World, make_worker: MakeWorker, tmp_path: Path
) -> None:
    job = ask(committed_world)
    first = start(make_worker)
    wait_until(lambda: fresh(job).done >= 10)
    kill(first)
    stopped = fresh(job)
    assert stopped.state == "running"
    assert stopped.done < COUNT
    start(make_worker)
    wait_until(lambda: fresh(job).state == "done")
    assert items(job) == list(range(COUNT))
    assert fresh(job).runs >= 2


def test_a_running_job_is_cancelled_within_seconds(
    committed_world: World, make_worker: MakeWorker
) -> None:
    job = ask(committed_world)
    start(make_worker)
    wait_until(lambda: fresh(job).done >= 5)
    cancel_job(job=fresh(job), actor=acting(committed_world.alice))
    wait_until(lambda: fresh(job).state == "cancelled", 5)
    assert items(job) == list(range(fresh(job).done))
