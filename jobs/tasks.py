"""What the worker does with jobs. Running it twice, or too late, does no harm."""

from uuid import UUID

from celery import shared_task

from jobs import running


@shared_task
def run_job(org_id: UUID, job_id: UUID) -> None:
    """Carry a job on for one slice."""
    running.run_job(org_id=org_id, job_id=job_id)
