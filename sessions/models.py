"""Conversations: a session, its turns, and how an unnamed conversation is recognised."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from agents.models import Agent
from ibex.fields import EnumField
from orgs.models import Organization, OrgQuerySet, TenantModel


class Session(TenantModel):
    """One conversation of an agent, possibly with one end user (its subject).

    Three columns are the queue: `extract_after` (turns wait to be learned from), `completes_at`
    (it ends when idle until then) and `archive_after` (it ended and is to be archived); beside
    each stands the `…_claimed_until` lease of whoever works on it.

    `archive_sha256` to `archived_at` describe the file that was last written under `archive_key`;
    they stay when a request reopens the session, until its next end writes it anew.
    """

    class Status(models.TextChoices):
        """A request to a completed or abandoned session makes it active again."""

        ACTIVE = "active"
        COMPLETED = "completed"
        ABANDONED = "abandoned"
        ERROR = "error"

    agent = models.ForeignKey(Agent, models.CASCADE, related_name="sessions", db_constraint=False)
    external_id = models.CharField(max_length=64)
    subject = models.CharField(max_length=128, null=True, blank=True)  # noqa: DJ001 - null: nobody
    status = EnumField(choices=Status, default=Status.ACTIVE)
    turn_count = models.PositiveIntegerField(default=0)
    tokens_in = models.PositiveBigIntegerField(default=0)
    tokens_out = models.PositiveBigIntegerField(default=0)
    error_count = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Calls that failed, or that the provider broke off."
    )
    directive_version = models.PositiveIntegerField(null=True, blank=True)
    extracted_through = models.IntegerField(
        default=-1, help_text="Index of the last turn that was learned from; -1 before the first."
    )
    extract_after = models.DateTimeField(null=True, blank=True)
    extract_claimed_until = models.DateTimeField(null=True, blank=True)
    extract_attempts = models.PositiveIntegerField(default=0)
    first_unextracted_at = models.DateTimeField(null=True, blank=True)
    completes_at = models.DateTimeField(null=True, blank=True)
    completion_claimed_until = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    archive_after = models.DateTimeField(null=True, blank=True)
    archive_claimed_until = models.DateTimeField(null=True, blank=True)
    archive_attempts = models.PositiveIntegerField(default=0, db_default=0)
    archive_key = models.CharField(max_length=200, blank=True, default="", db_default="")
    archive_sha256 = models.CharField(max_length=64, blank=True, default="", db_default="")
    archive_size = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="Bytes of the archive."
    )
    archive_version = models.PositiveIntegerField(
        default=0, db_default=0, help_text="How often the archive was written; 0 is never."
    )
    archive_turns = models.PositiveIntegerField(null=True, blank=True)
    archived_at = models.DateTimeField(null=True, blank=True)
    branched_from = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="+", db_constraint=False
    )
    branched_at_turn = models.PositiveIntegerField(null=True, blank=True)
    last_turn_at = models.DateTimeField(default=timezone.now)

    objects = OrgQuerySet.as_manager()

    class Meta:
        ordering = ["-last_turn_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["agent", "external_id", "subject"],
                nulls_distinct=False,
                name="session_name_is_unique_per_agent_and_subject",
            ),
        ]
        indexes = [
            models.Index(
                fields=["org", "agent", "-last_turn_at", "-id"], name="sessions_of_an_agent_by_time"
            ),
            models.Index(fields=["org", "-created_at", "-id"], name="sessions_of_an_org_by_time"),
            models.Index(fields=["org", "-last_turn_at", "-id"], name="sessions_of_an_org_by_turn"),
            models.Index(
                fields=["org", "subject", "-created_at", "-id"],
                condition=Q(subject__isnull=False),
                name="sessions_of_a_subject",
            ),
            models.Index(
                fields=["org", "-created_at", "-id"],
                condition=Q(error_count__gt=0),
                name="sessions_with_errors",
            ),
            models.Index(
                fields=["org", "agent", "directive_version", "-last_turn_at", "-id"],
                condition=Q(directive_version__isnull=False),
                name="sessions_of_a_version",
            ),
            models.Index(
                fields=["extract_after"],
                condition=Q(extract_after__isnull=False),
                name="sessions_due_for_learning",
            ),
            models.Index(
                fields=["completes_at"],
                condition=Q(completes_at__isnull=False),
                name="sessions_due_for_completion",
            ),
            models.Index(
                fields=["archive_after"],
                condition=Q(archive_after__isnull=False),
                name="sessions_due_for_archiving",
            ),
        ]

    def __str__(self) -> str:
        return self.external_id


class SessionError(models.Model):
    """That calls of a session ended with a code. The database keeps it, by a trigger, for good.

    The records of the calls are kept by day and read by time; this finds their sessions.
    """

    pk = models.CompositePrimaryKey("org", "session", "error_code")
    org = models.ForeignKey(Organization, models.CASCADE, related_name="+", db_index=False)
    session = models.ForeignKey(
        Session, models.DO_NOTHING, related_name="errors", db_constraint=False, db_index=False
    )
    error_code = models.CharField(max_length=64)

    objects = OrgQuerySet.as_manager()

    class Meta:
        ordering = ["error_code"]
        indexes = [
            models.Index(fields=["org", "error_code", "session"], name="sessions_by_error_code"),
        ]

    def __str__(self) -> str:
        return f"{self.error_code} in {self.session_id}"


class Turn(TenantModel):
    """One request and its answer. Append-only.

    `request` and `completion` are zlib-compressed bytes exactly as they were: the request with
    only its new messages (not the repeated history), the answer as the provider sent it.
    `injected` lists what went into the prompt: `[{"id", "kind", "rank", "scores"}]`, no text.
    """

    agent = models.ForeignKey(Agent, models.CASCADE, related_name="+", db_constraint=False)
    session = models.ForeignKey(Session, models.CASCADE, related_name="turns", db_constraint=False)
    subject = models.CharField(max_length=128, null=True, blank=True)  # noqa: DJ001 - null: nobody
    index = models.PositiveIntegerField()
    request = models.BinaryField()
    completion = models.BinaryField()
    model = models.CharField(max_length=256)
    provider = models.CharField(max_length=32)
    is_streaming = models.BooleanField(default=False)
    is_complete = models.BooleanField(default=True)
    finish_reason = models.CharField(max_length=64, blank=True)
    tokens_in = models.PositiveIntegerField(default=0)
    tokens_out = models.PositiveIntegerField(default=0)
    tokens_cached = models.PositiveIntegerField(default=0)
    usage_estimated = models.BooleanField(default=False)
    latency_ms = models.FloatField()
    ttfb_ms = models.FloatField(null=True)
    directive_version = models.PositiveIntegerField(null=True)
    injected = models.JSONField(default=list)
    assembly = models.JSONField(
        null=True, help_text="How the context was made: level, candidates with scores, timings."
    )
    skip_extraction = models.BooleanField(default=False)
    request_id = models.CharField(max_length=64)

    objects = OrgQuerySet.as_manager()

    class Meta:
        ordering = ["session", "index"]
        constraints = [
            models.UniqueConstraint(
                fields=["session", "index"], name="turns_of_a_session_are_numbered_once"
            )
        ]

    def __str__(self) -> str:
        return f"Turn {self.index}"


class ConversationNode(TenantModel):
    """Where a conversation without a session id stands: a hash of all that was said so far.

    The next request whose history has this hash continues `session`. The first continuation
    takes the node (`taken_by` is the hash of its history); a different one branches.
    """

    agent = models.ForeignKey(Agent, models.CASCADE, related_name="+", db_constraint=False)
    subject = models.CharField(max_length=128, null=True, blank=True)  # noqa: DJ001 - null: nobody
    digest = models.BinaryField(max_length=32)
    session = models.ForeignKey(Session, models.CASCADE, related_name="+", db_constraint=False)
    turn_index = models.PositiveIntegerField()
    taken_by = models.BinaryField(max_length=32, null=True)
    is_shared = models.BooleanField(
        default=False, help_text="Two conversations reached the same words."
    )

    objects = OrgQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["agent", "digest", "subject"],
                nulls_distinct=False,
                name="a_conversation_node_is_known_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.session_id} after turn {self.turn_index}"
