"""How an open page sees that a job has changed."""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from jobs.models import Job


def fingerprints(ids: Collection[UUID]) -> Mapping[UUID, Any]:
    """Read how far each job is and whether nothing is heard of it, inside a tenant; one query."""
    shown = ("state", "done", "failed", "total", "cancel_requested_at")
    jobs = Job.objects.filter(pk__in=ids).only(*shown, "heartbeat_at")
    return {job.pk: (*(getattr(job, name) for name in shown), job.is_stalled) for job in jobs}
