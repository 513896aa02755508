"""What runs in the worker's process, and what its children are given."""

import ctypes
import logging
import os
import signal
import sys
import threading
import time
import warnings
from typing import Any

import django
from celery import bootsteps, signals
from celery.exceptions import CPendingDeprecationWarning, SecurityWarning
from celery.worker.components import Beat, Pool
from prometheus_client import Counter, Histogram

from ibex.celery import app
from ibex.env import env
from ibex.logs import configure_logging
from ibex.queues import EVERYTHING, LearningStep
from ibex.startup import refuse_unsafe_start
from ibex.worker_health import serve_health

DRAIN_S = 30
PR_SET_PDEATHSIG = 1
TASKS = Counter("ibex_worker_tasks_total", "Tasks by how they ended.", ["task", "outcome"])
SECONDS = Histogram("ibex_worker_task_seconds", "How long tasks ran.", ["task"])

_running = threading.local()


class HealthStep(bootsteps.StartStopStep):
    """Start the health server when the children are forked, whether or not Redis is there."""

    requires = (Pool, Beat)

    def start(self, _worker: Any) -> None:
        """Serve from a thread; children forked later never touch it."""
        serve_health()


def run() -> None:
    """Refuse an unsafe start, then work until SIGTERM. Exits with the worker's code."""
    configure_logging("worker")
    logging.captureWarnings(capture=True)
    for expected in (SecurityWarning, CPendingDeprecationWarning):  # no pickle; late acks are meant
        warnings.simplefilter("ignore", expected)
    refuse_unsafe_start(env.str("IBEX_DATABASE_URL"))
    django.setup()
    from memories.extraction import get_extractor  # noqa: PLC0415 - models need the set-up above

    get_extractor()
    app.steps["worker"].add(HealthStep)
    app.steps["consumer"].add(LearningStep)
    worker = app.Worker(
        queues=[EVERYTHING],  # the step takes the other one
        beat=True,
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        loglevel="INFO",
    )
    worker.start()
    sys.exit(worker.exitcode)


@signals.worker_process_init.connect
@signals.beat_embedded_init.connect
def die_with_parent(**_info: Any) -> None:
    """Let the kernel end this child when the worker is killed: no orphan goes on working."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == 1:  # it was killed before we could ask
        os._exit(1)


@signals.worker_process_init.connect
def finish_tasks(**_info: Any) -> None:
    """Let only the worker end its children: a SIGTERM to the whole group would cut tasks off."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


@signals.worker_ready.connect
def prepare_partitions(**_info: Any) -> None:
    """Make the coming days' partitions now; the beat does it again twice a day."""
    app.send_task("analytics.tasks.ensure_partitions")


@signals.worker_shutting_down.connect
def limit_drain(how: str = "", **_info: Any) -> None:
    """End at once 30 s after SIGTERM, and the children with it: their work is due again later."""
    if how == "Warm":
        timer = threading.Timer(DRAIN_S, os._exit, (1,))
        timer.daemon = True
        timer.start()


@signals.task_prerun.connect
def note_start(**_info: Any) -> None:
    """Remember when the task began."""
    _running.since = time.perf_counter()


@signals.task_postrun.connect
def note_end(task: Any = None, state: str | None = None, **_info: Any) -> None:
    """Count how the task ended, and how long it took."""
    TASKS.labels(task.name, (state or "unknown").lower()).inc()
    SECONDS.labels(task.name).observe(time.perf_counter() - _running.since)
