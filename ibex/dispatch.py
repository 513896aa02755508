"""The dispatcher: every second, what is due is claimed in Postgres and handed to workers.

A claim expires (`ibex.due.lease`), and then the work is due again: a message that is lost, or a
worker that is killed, delays work and loses none. Any number of dispatchers may run at once, for
claimed rows are locked and skipped.
"""

import time
from typing import Any

from celery import shared_task
from django.db import connection
from prometheus_client import Counter, Gauge

from ibex import due
from ibex.env import env
from ibex.queues import LEARNING, waiting
from jobs.tasks import run_job
from memories.tasks import embed_if_missing, learn_from_dead_letter, learn_from_session
from sessions.tasks import archive_session, complete_idle_session

LIMIT = 64
"""Rows of one kind that one run claims: about what a few workers do in a second."""
CLAIMS: tuple[tuple[str, str, Any], ...] = (
    (
        "complete",
        "SELECT org_id, id FROM ibex_claim_completions(%(limit)s, %(lease)s::interval)",
        complete_idle_session,
    ),
    (
        "learn",
        "SELECT org_id, id FROM ibex_claim_learning(%(learning)s, %(lease)s::interval)",
        learn_from_session,
    ),
    (
        "dead letter",
        "SELECT org_id, id FROM ibex_claim_dead_letters(%(learning)s, %(lease)s::interval)",
        learn_from_dead_letter,
    ),
    (
        "embed",
        "SELECT org_id, kind, id FROM ibex_claim_embeddings(%(limit)s, %(lease)s::interval)",
        embed_if_missing,
    ),
    (
        "archive",
        "SELECT org_id, id FROM ibex_claim_archives(%(limit)s, %(short_lease)s::interval)",
        archive_session,
    ),
    (
        "job",
        "SELECT org_id, id FROM ibex_claim_jobs(%(jobs)s, %(lease)s::interval)",
        run_job,
    ),
)
DISPATCHED = Counter("ibex_worker_dispatched_total", "Rows handed to workers.", ["work"])
LAST_RUN = Gauge(
    "ibex_worker_dispatched_timestamp_seconds",
    "When the dispatcher last looked for work.",
    multiprocess_mode="mostrecent",
)


@shared_task(ignore_result=True)
def dispatch() -> None:
    """Claim what is due and send it; what cannot be sent is due again when its claim expires.

    What is to be learned from is claimed as the queue has room: learning may be slow for hours, and
    every claim that expires would leave one more message there.
    """
    room = max(0, LIMIT - waiting(LEARNING))
    for work, statement, task in CLAIMS:
        rows = claim(statement, learning=room)
        for row in rows:
            task.apply_async(args=row)
        DISPATCHED.labels(work).inc(len(rows))
    LAST_RUN.set(time.time())


def claim(statement: str, *, learning: int = LIMIT) -> list[tuple[Any, ...]]:
    """Take up to `LIMIT` due rows for the length of a lease; jobs, as many as may run at once.

    To be learned from are at most `learning`.
    """
    jobs = env.int("IBEX_WORKER_JOBS", 1)
    leases = {"lease": str(due.lease()), "short_lease": str(due.short_lease())}
    with connection.cursor() as cursor:
        cursor.execute(statement, {"limit": LIMIT, "learning": learning, "jobs": jobs, **leases})
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
