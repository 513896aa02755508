"""Background work that somebody asked for: one row a job, the truth about how far it is."""

from datetime import timedelta
from typing import Self
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from agents.models import Agent
from ibex.fields import EnumField
from orgs.audit import Actor
from orgs.models import AuditEvent, OrgQuerySet, TenantModel
from orgs.permissions import ALL, Permission

STALLED_AFTER = timedelta(seconds=60)
MAX_TITLE = 200
MAX_WHY = 500


class JobQuerySet(OrgQuerySet["Job"]):
    """Jobs, by who may see them and how they stand."""

    def visible_to(self, actor: Actor, permissions: Permission) -> Self:
        """Keep all jobs for those who manage jobs, and everybody else's own."""
        if permissions & Permission.JOB_MANAGE:
            return self
        return self.filter(owner_type=actor.type, owner_id=actor.id)

    def unfinished(self) -> Self:
        """Keep what is queued or running."""
        return self.filter(state__in=UNFINISHED)

    def stalled(self) -> Self:
        """Keep the running jobs from which nothing was heard for a minute."""
        return self.filter(state=Job.State.RUNNING, heartbeat_at__lt=timezone.now() - STALLED_AFTER)

    def unread_by(self, operator_id: UUID) -> Self:
        """Keep an operator's own jobs that ended and that they have not looked at."""
        return self.filter(
            owner_type=AuditEvent.Actor.OPERATOR,
            owner_id=operator_id,
            finished_at__isnull=False,
            seen_at=None,
        )


class Job(TenantModel):
    """One piece of background work. `run_after` and `claimed_until` are the queue.

    `parameters`, `checkpoint`, `result` and `why` hold ids, counts and filters, never memory or
    directive text. `runs` is a fence: each start of a worker takes the next number, and only who
    holds the latest may write. `stumbles` counts starts since there was any progress.
    """

    class State(models.TextChoices):
        """Partial: it went through, but some items failed."""

        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        PARTIAL = "partial"
        FAILED = "failed"
        CANCELLED = "cancelled"

    kind = models.CharField(max_length=64)
    title = models.CharField(max_length=MAX_TITLE, help_text="What it does, in words.")
    state = EnumField(choices=State, default=State.QUEUED)
    agent = models.ForeignKey(
        Agent,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        db_constraint=False,
        help_text="The only agent it is about; empty means any of the org.",
    )
    subject = models.CharField(max_length=128, null=True, blank=True)  # noqa: DJ001 - null: nobody
    owner_type = EnumField(choices=AuditEvent.Actor)
    owner_id = models.UUIDField(null=True, blank=True)
    owner_label = models.CharField(max_length=255)
    owner_ip = models.GenericIPAddressField(null=True, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    needs = models.BigIntegerField(default=0, help_text="What its owner had to be allowed to do.")
    idempotency_key = models.CharField(max_length=256, blank=True)
    parameters = models.JSONField(default=dict, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    total = models.PositiveBigIntegerField(null=True, blank=True)
    done = models.PositiveBigIntegerField(default=0, help_text="Items gone through, failed too.")
    failed = models.PositiveBigIntegerField(default=0, help_text="How many of them failed.")
    checkpoint = models.JSONField(null=True, blank=True, editable=False)
    result = models.JSONField(null=True, blank=True)
    why = models.CharField(max_length=MAX_WHY, blank=True, help_text="Why it failed.")
    run_after = models.DateTimeField(null=True, blank=True)
    claimed_until = models.DateTimeField(null=True, blank=True)
    runs = models.PositiveIntegerField(default=0)
    stumbles = models.PositiveIntegerField(default=0)
    retries = models.PositiveIntegerField(default=0, help_text="How often it was asked for again.")
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True)
    rows_forgotten_at = models.DateTimeField(
        null=True, blank=True, help_text="Since when the rows it was to change are not known."
    )

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["org", "kind", "idempotency_key"],
                condition=~Q(idempotency_key=""),
                name="a_key_names_one_job_of_its_kind",
            ),
            models.CheckConstraint(
                name="an_unfinished_job_is_due",
                condition=Q(finished_at=None, run_after__isnull=False)
                | Q(finished_at__isnull=False, run_after=None),
            ),
            models.CheckConstraint(
                name="a_job_fails_no_more_than_it_did", condition=Q(failed__lte=models.F("done"))
            ),
            models.CheckConstraint(
                name="a_job_needs_known_bits", condition=Q(needs__gte=0, needs__lte=int(ALL))
            ),
        ]
        indexes = [
            models.Index(fields=["org", "-created_at", "-id"], name="jobs_by_time"),
            models.Index(fields=["org", "owner_id", "-created_at", "-id"], name="jobs_of_an_owner"),
            models.Index(
                fields=["run_after"], name="jobs_due", condition=Q(run_after__isnull=False)
            ),
            models.Index(
                fields=["org", "owner_id"],
                name="jobs_unread",
                condition=Q(finished_at__isnull=False, seen_at=None),
            ),
            models.Index(
                fields=["finished_at"],
                name="jobs_ended_in_part",
                condition=Q(
                    finished_at__isnull=False, state__in=["failed", "cancelled", "partial"]
                ),
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def owner(self) -> Actor:
        """Whoever asked for it, as audit names them: the work is done in their name."""
        kind = AuditEvent.Actor(self.owner_type)
        return Actor(kind, self.owner_id, self.owner_label, self.owner_ip, self.request_id)

    @property
    def is_unfinished(self) -> bool:
        """Whether something is still to be done."""
        return self.state in UNFINISHED

    @property
    def is_stalled(self) -> bool:
        """Whether it runs, but nothing was heard of it for a minute."""
        heard = self.heartbeat_at
        is_late = heard is not None and heard < timezone.now() - STALLED_AFTER
        return self.state == self.State.RUNNING and is_late

    @property
    def was_lost(self) -> bool:
        """Whether it runs, but its worker neither ended it nor gave way since it was heard of.

        Who gives way makes it due anew, after the last that was heard.
        """
        heard, due = self.heartbeat_at, self.run_after
        is_due_since = heard is not None and due is not None and due < heard
        return self.state == self.State.RUNNING and is_due_since

    @property
    def is_retryable(self) -> bool:
        """Whether asking for it again makes sense."""
        return self.state in RETRYABLE and self.rows_forgotten_at is None

    @property
    def starts_over(self) -> bool:
        """Whether another try begins anew: it went through in part, or nothing of it was done."""
        return self.state == self.State.PARTIAL or 0 < self.done == self.failed

    @property
    def reasons_untold(self) -> int:
        """How many of those that failed its result gives no reason for."""
        told: int = sum(one["count"] for one in (self.result or {}).get("refusals", []))
        return max(0, self.failed - told)

    @property
    def percent(self) -> int | None:
        """How much is done, 0 to 100; None when nobody knows of how much."""
        if self.state == self.State.DONE:
            return 100
        if not self.total:
            return None
        return min(100, int(100 * self.done / self.total))


class JobChunk(TenantModel):
    """The next rows that a job is to change, frozen when they were confirmed.

    Kept until the job went through without a failure, or ended otherwise 30 days ago, so that it
    can be tried again.
    """

    job = models.ForeignKey(Job, models.CASCADE, related_name="chunks", db_constraint=False)
    number = models.PositiveIntegerField(help_text="From 0, without a gap.")
    row_ids = ArrayField(models.UUIDField())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job", "number"], name="a_job_numbers_its_chunks")
        ]

    def __str__(self) -> str:
        return f"chunk {self.number} of {self.job_id}"


class JobEvent(TenantModel):
    """One line of a job's log, written in the transaction of the change that it tells of.

    The newest 200 of a job are kept. It holds ids, counts and `why` as the job does, no texts.
    """

    class Kind(models.TextChoices):
        """Taken over: its worker was lost, another goes on. A job that gives way writes no line."""

        QUEUED = "queued"
        STARTED = "started"
        STUMBLED = "stumbled"
        TAKEN_OVER = "taken_over"
        CANCEL_ASKED = "cancel_asked"
        RETRIED = "retried"
        ENDED = "ended"

    job = models.ForeignKey(Job, models.CASCADE, related_name="events", db_constraint=False)
    kind = EnumField(choices=Kind)
    run = models.PositiveIntegerField(help_text="Which start of a worker it belongs to.")
    actor_type = EnumField(choices=AuditEvent.Actor, null=True, blank=True)
    actor_id = models.UUIDField(null=True, blank=True)
    actor_label = models.CharField(max_length=255, blank=True)
    state = EnumField(choices=Job.State, help_text="How the job stood then.")
    done = models.PositiveBigIntegerField()
    failed = models.PositiveBigIntegerField()
    total = models.PositiveBigIntegerField(null=True, blank=True)
    why = models.CharField(max_length=MAX_WHY, blank=True)
    next_at = models.DateTimeField(null=True, blank=True, help_text="When it is tried again.")
    took = models.DurationField(null=True, blank=True, help_text="From its start to its end.")

    objects = OrgQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [
            models.Index(fields=["org", "job", "-created_at", "-id"], name="job_events_by_time")
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.job_id}"


UNFINISHED = (Job.State.QUEUED, Job.State.RUNNING)
RETRYABLE = (Job.State.FAILED, Job.State.CANCELLED, Job.State.PARTIAL)
