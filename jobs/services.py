"""Every write to jobs that a person or another service causes; running them is `jobs.running`."""

from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from agents.models import Agent
from ibex.tenancy import tenant
from jobs.errors import JobFinished, JobKeyReused, JobNotRetryable, JobRowsForgotten
from jobs.events import Kind, note
from jobs.models import MAX_WHY, Job
from jobs.registry import find_kind
from orgs import audit
from orgs.audit import Actor
from orgs.models import Organization
from orgs.permissions import Permission
from orgs.refusals import InsufficientPermissions

State = Job.State
NOTHING = Permission(0)


def enqueue_job(
    *,
    org: Organization | UUID,
    kind: str,
    actor: Actor,
    parameters: dict[str, Any] | None = None,
    title: str = "",
    total: int | None = None,
    needs: Permission = NOTHING,
    agent: Agent | None = None,
    subject: str | None = None,
    reason: str = "",
    idempotency_key: str = "",
) -> Job:
    """Ask for background work; it is due as soon as the surrounding transaction commits.

    `needs` is what the caller was checked for; a retry asks for it again. A token of one agent
    sees only jobs with its `agent`. The same key asks for the same job, which is returned;
    another's, or with other parameters, raises `JobKeyReused`.
    """
    found = find_kind(kind)
    if found is None:
        raise LookupError(f"No handler is registered for the kind of job {kind}.")
    job = Job(
        org_id=org if isinstance(org, UUID) else org.pk,
        kind=kind,
        title=title or found.label,
        parameters=parameters or {},
        total=total,
        needs=int(needs),
        agent=agent,
        subject=subject,
        reason=reason,
        idempotency_key=idempotency_key,
        owner_type=actor.type,
        owner_id=actor.id,
        owner_label=actor.label,
        owner_ip=actor.ip,
        request_id=actor.request_id,
        run_after=timezone.now(),
    )
    with tenant(job.org_id):
        return _insert(job) if idempotency_key else _save(job)


def cancel_job(*, job: Job, actor: Actor, reason: str = "") -> Job:
    """Stop a job: at once while it waits, else at its next chunk. Raises `JobFinished`.

    What was done stays done. Asking twice changes nothing.
    """
    with tenant(job.org_id):
        row = Job.objects.select_for_update().get(pk=job.pk)
        if not row.is_unfinished:
            raise JobFinished(row.state)
        if row.cancel_requested_at is not None:
            return row
        row.cancel_requested_at = timezone.now()
        note(row, Kind.CANCEL_ASKED, by=actor)
        if row.state == State.QUEUED:
            end(row, State.CANCELLED)
        row.save()
        after = {"state": row.state, "done": row.done}
        audit.record(
            "job.cancel", row, actor=actor, after=after, reason=reason, subject=row.subject
        )
    return row


def retry_job(*, job: Job, actor: Actor, held: Permission, reason: str = "") -> Job:
    """Make a job due again that failed, was cancelled or went through in part.

    A job that went through starts over, for what failed may be anywhere in it, and so does one of
    which nothing was done; the others go on where they stopped. Raises `JobNotRetryable`,
    `JobRowsForgotten`, and `InsufficientPermissions` for who may not do what the job does.
    """
    with tenant(job.org_id):
        row = Job.objects.select_for_update().get(pk=job.pk)
        if row.rows_forgotten_at is not None:
            raise JobRowsForgotten
        if not row.is_retryable:
            raise JobNotRetryable(row.state)
        if missing := Permission(row.needs) & ~held:
            raise InsufficientPermissions(missing)
        before = {"state": row.state, "done": row.done, "failed": row.failed}
        if row.starts_over:
            row.done, row.failed, row.checkpoint = 0, 0, None
        row.state, row.why, row.result = State.QUEUED, "", None
        row.run_after, row.claimed_until, row.stumbles = timezone.now(), None, 0
        row.finished_at = row.cancel_requested_at = row.seen_at = None
        row.retries += 1
        row.save()
        note(row, Kind.RETRIED, by=actor)
        audit.record(
            "job.retry", row, actor=actor, before=before, reason=reason, subject=row.subject
        )
    return row


def find_by_key(*, org_id: UUID, kind: str, actor: Actor, key: str) -> Job | None:
    """Return the job that the same caller asked for under this key."""
    mine = Job.objects.filter(org=org_id, owner_type=actor.type, owner_id=actor.id)
    return mine.filter(kind=kind, idempotency_key=key).first() if key else None


def mark_seen(*, org_id: UUID, operator_id: UUID, job_id: UUID | None = None) -> int:
    """Note that an operator has looked at their ended jobs, or at one of them."""
    with tenant(org_id):
        unread = Job.objects.filter(org=org_id).unread_by(operator_id)
        if job_id is not None:
            unread = unread.filter(pk=job_id)
        return unread.update(seen_at=timezone.now())


def end(job: Job, state: str, *, why: str = "", result: dict[str, Any] | None = None) -> None:
    """Write a job's end into its log, and into its row, which the caller holds locked and saves.

    Without a `result`, what came of it so far stays.
    """
    job.state = state
    job.finished_at = timezone.now()
    job.run_after = job.claimed_until = None
    job.why = why[:MAX_WHY]
    if result is not None:
        job.result = result
    if state == State.DONE:
        job.chunks.all().delete()
    note(job, Kind.ENDED, why=job.why)
    kind = find_kind(job.kind)
    if state == State.CANCELLED and kind is not None and kind.cancelled is not None:
        kind.cancelled(job)


def _save(job: Job) -> Job:
    job.full_clean()
    job.save(force_insert=True)
    note(job, Kind.QUEUED, by=job.owner)
    return job


def _insert(job: Job) -> Job:
    """Insert a job with a key, or return the one that has it; of two at once, one inserts."""
    same = Job.objects.filter(kind=job.kind, idempotency_key=job.idempotency_key, org=job.org_id)
    known = same.first()
    if known is None:
        try:
            with transaction.atomic():
                job.full_clean(validate_constraints=False)
                job.save(force_insert=True)
                note(job, Kind.QUEUED, by=job.owner)
        except IntegrityError:
            known = same.get()
        else:
            return job
    asked = (job.parameters, job.owner_type, job.owner_id)
    if asked != (known.parameters, known.owner_type, known.owner_id):
        raise JobKeyReused
    return known
