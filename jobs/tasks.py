"""What the worker does with jobs. Running it twice, or too late, does no harm."""

from uuid import UUID

from celery import shared_task
from django.db import connection

from jobs import running

CHUNKS_KEPT = "30 days"
"""How long the rows of a job that did not go through are known after its end."""
AT_ONCE = 1_000
"""Chunks that one statement deletes, of a hundred rows' ids each."""


@shared_task
def run_job(org_id: UUID, job_id: UUID) -> None:
    """Carry a job on for one slice."""
    running.run_job(org_id=org_id, job_id=job_id)


@shared_task
def forget_rows() -> None:
    """Drop the frozen rows of jobs that ended long ago; from then on none is tried again."""
    while _forget_some():
        pass


def _forget_some() -> int:
    """Drop one batch, in a transaction of its own; return how many chunks are gone."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT ibex_forget_job_rows(%s::interval, %s)", [CHUNKS_KEPT, AT_ONCE])
        (gone,) = cursor.fetchone()
    return int(gone)
