"""A job's log: what happened to it, when, and who asked for it."""

from datetime import datetime, timedelta

from jobs.models import Job, JobEvent
from orgs.audit import Actor

MAX_EVENTS = 200
"""Lines of one job that are kept, the newest."""

Kind = JobEvent.Kind


def note(
    job: Job, kind: str, *, by: Actor | None = None, why: str = "", next_at: datetime | None = None
) -> None:
    """Write a line about `job` as it stands now, inside the tenant and the change's transaction."""
    JobEvent.objects.create(
        org_id=job.org_id,
        job=job,
        kind=kind,
        run=job.runs,
        actor_type=by.type if by else None,
        actor_id=by.id if by else None,
        actor_label=by.label if by else "",
        state=job.state,
        done=job.done,
        failed=job.failed,
        total=job.total,
        why=why,
        next_at=next_at,
        took=_took(job) if kind == Kind.ENDED else None,
    )
    _forget_oldest(job)


def _took(job: Job) -> timedelta | None:
    """Return how long it took from the first start since it was asked for, or asked for again."""
    begun = None
    lines = job.events.order_by("created_at", "pk").values_list("kind", "created_at")
    for kind, at in lines:
        if kind == Kind.RETRIED:
            begun = None
        elif kind == Kind.STARTED and begun is None:
            begun = at
    return job.finished_at - begun if begun and job.finished_at else None


def _forget_oldest(job: Job) -> None:
    newest = job.events.order_by("-created_at", "-pk").values_list("pk", flat=True)
    if old := list(newest[MAX_EVENTS:]):
        job.events.filter(pk__in=old).delete()
