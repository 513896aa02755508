"""What changed, in one order; which proxies listen, and what each of them has heard."""

from datetime import timedelta

from django.db import models
from django.utils import timezone

from directives.models import DirectiveVersion
from ibex.fields import EnumField
from orgs.models import OrgQuerySet, TenantModel

SILENT_AFTER = timedelta(seconds=5)
"""The channel notes each second which sockets hold; who hears nothing gives up after four."""


class Clock(models.Model):
    """One row: the revision of the last change. Only a change's own trigger moves it."""

    rev = models.BigIntegerField()

    def __str__(self) -> str:
        return f"Revision {self.rev}"


class Event(models.Model):
    """One change that proxies must know. Written by triggers alone, as its transaction commits.

    Revisions are commit order and have no gaps, so a missing one is a lost message. What was
    deleted belongs to no organization any more: its event has the nil uuid.
    """

    class Kind(models.TextChoices):
        """What changed; `target_id` is its id, for a directive that of its agent."""

        ORGANIZATION = "organization"
        AGENT = "agent"
        TOKEN = "token"  # noqa: S105 - a kind of change
        DIRECTIVE = "directive"

    rev = models.BigIntegerField(primary_key=True)
    org_id = models.UUIDField()
    kind = EnumField(choices=Kind)
    target_id = models.UUIDField()
    version_id = models.UUIDField(null=True, help_text="The directive version that became active.")
    at = models.DateTimeField(default=timezone.now)

    objects = OrgQuerySet.as_manager()

    class Meta:
        ordering = ["rev"]
        indexes = [
            models.Index(
                fields=["version_id"],
                condition=models.Q(version_id__isnull=False),
                name="control_event_of_a_version",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rev}: {self.kind}"


class Proxy(models.Model):
    """One proxy process that is or was connected. It serves every org, so it belongs to none."""

    id = models.UUIDField(primary_key=True)
    name = models.CharField(max_length=100)
    revision = models.BigIntegerField(help_text="The last change that it runs.")
    connected_at = models.DateTimeField()
    connected_revision = models.BigIntegerField(help_text="Where it stood when it connected.")
    acknowledged_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    left_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_silent(self) -> bool:
        """Whether it is not heard of, although it did not say that it leaves."""
        return self.left_at is None and self.seen_at < timezone.now() - SILENT_AFTER


class Acknowledgement(TenantModel):
    """One proxy ran one directive version from `at` on, as it said itself."""

    proxy_id = models.UUIDField()
    proxy_name = models.CharField(max_length=100)
    version = models.ForeignKey(
        DirectiveVersion, models.CASCADE, related_name="acknowledgements", db_constraint=False
    )
    revision = models.BigIntegerField()
    at = models.DateTimeField(default=timezone.now)

    objects = OrgQuerySet.as_manager()

    class Meta:
        ordering = ["at", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "proxy_id", "revision"],
                name="a_proxy_acknowledges_a_push_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.proxy_name} runs {self.version}"
