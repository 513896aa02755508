"""What calls cost: one row a call, numbers and ids only, never text."""

from django.db import models
from django.utils import timezone

from ibex.fields import EnumField
from orgs.models import Organization, OrgQuerySet, TenantModel


class RequestRecord(models.Model):
    """What one proxied call cost and how it ended. Partitioned by day on `created_at` (UTC)."""

    pk = models.CompositePrimaryKey("created_at", "id")
    id = models.UUIDField()
    org = models.ForeignKey(Organization, models.CASCADE, related_name="+", db_index=False)
    agent_id = models.UUIDField()
    session_id = models.UUIDField(null=True)
    turn_id = models.UUIDField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    request_id = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    error_code = models.CharField(max_length=64, blank=True)
    model = models.CharField(max_length=256)
    provider = models.CharField(max_length=32)
    is_streaming = models.BooleanField()
    is_complete = models.BooleanField()
    tokens_in = models.PositiveIntegerField(default=0)
    tokens_out = models.PositiveIntegerField(default=0)
    tokens_cached = models.PositiveIntegerField(default=0)
    usage_estimated = models.BooleanField(default=False)
    latency_ms = models.FloatField()
    ttfb_ms = models.FloatField(null=True)
    overhead_ms = models.FloatField(null=True)
    context_ms = models.FloatField(null=True)
    context_level = models.CharField(max_length=2, blank=True, help_text="L0 to L3, empty if none.")
    memories_injected = models.PositiveSmallIntegerField(default=0)
    context_tokens = models.PositiveIntegerField(default=0)
    directive_version = models.PositiveIntegerField(null=True)

    objects = OrgQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["org", "-created_at"], name="requests_of_an_org_by_time"),
            models.Index(
                fields=["org", "session_id", "created_at"],
                condition=models.Q(turn_id__isnull=True, session_id__isnull=False),
                name="failed_requests_of_a_session",
            ),
            models.Index(
                fields=["org", "agent_id", "directive_version", "-created_at"],
                condition=models.Q(directive_version__isnull=False),
                name="requests_of_a_version",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.status} {self.model}"


class HourOfCalls(TenantModel):
    """What the calls of one full hour (UTC) came to: of one agent, and with no agent of the org.

    Written by the worker alone (`ibex_count_hours`), from the request records.
    """

    agent_id = models.UUIDField(null=True, blank=True, help_text="Empty: all agents together.")
    hour = models.DateTimeField(help_text="When the hour began.")
    requests = models.PositiveBigIntegerField()
    failed = models.PositiveBigIntegerField(help_text="Calls that ended with 400 or more.")
    tokens_in = models.PositiveBigIntegerField()
    tokens_out = models.PositiveBigIntegerField()
    tokens_cached = models.PositiveBigIntegerField()
    memories_injected = models.PositiveBigIntegerField()
    tokens_injected = models.PositiveBigIntegerField()
    last_request_at = models.DateTimeField()

    objects = OrgQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["org", "agent_id", "hour"],
                nulls_distinct=False,
                name="an_hour_is_counted_once_per_agent",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.requests} calls from {self.hour:%Y-%m-%d %H:%M}"


class LateHour(models.Model):
    """An hour that got a request record long after it was made: it is counted again.

    Marked by a trigger, so that whoever adds the record need not think of it.
    """

    pk = models.CompositePrimaryKey("org_id", "hour")
    org_id = models.UUIDField()
    hour = models.DateTimeField()

    objects = OrgQuerySet.as_manager()

    def __str__(self) -> str:
        return f"late in {self.hour:%Y-%m-%d %H:%M}"


class HoursCounted(models.Model):
    """One row: the hours before `through` are counted; null until there was anything to count."""

    through = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"counted through {self.through}"


class ExtractionRecord(TenantModel):
    """What one call of the extractor's model cost and how it ended. The rules make none."""

    class Outcome(models.TextChoices):
        """How it ended; `misconfigured` is for an operator to mend."""

        OK = "ok"
        INVALID = "invalid"
        UNAVAILABLE = "unavailable"
        MISCONFIGURED = "misconfigured"

    agent_id = models.UUIDField()
    session_id = models.UUIDField()
    extractor = models.CharField(max_length=255, help_text="With the version of its prompt.")
    model = models.CharField(max_length=255)
    turns = models.PositiveIntegerField()
    candidates = models.PositiveIntegerField(default=0)
    tokens_in = models.PositiveIntegerField(default=0)
    tokens_out = models.PositiveIntegerField(default=0)
    latency_ms = models.FloatField()
    outcome = EnumField(choices=Outcome)

    objects = OrgQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["org", "-created_at"], name="extractions_of_an_org_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.outcome} {self.model}"
