"""Agents: the applications whose conversations IBEX remembers."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from ibex.fields import EnumField
from orgs.models import OrgQuerySet, TenantModel


class Agent(TenantModel):
    """One application of an org, with its own memories, sessions and directive.

    Its slug and its memory scope never change: what was learned under one scope would be
    shown to the wrong people under the other.
    """

    class Status(models.TextChoices):
        """Whether its requests are served; archived is final."""

        ACTIVE = "active"
        PAUSED = "paused"
        ARCHIVED = "archived"

    class MemoryScope(models.TextChoices):
        """Who shares what the agent learns when a request names no subject."""

        AGENT = "agent"
        SUBJECT = "subject"

    class MemoryPosition(models.TextChoices):
        """Where the block of memories goes in the prompt."""

        LAST_USER = "last_user"
        SYSTEM_BEFORE_USER = "system_before_user"
        SYSTEM_FIRST = "system_first"

    name = models.CharField(max_length=255)
    slug = models.SlugField(max_length=100)
    description = models.TextField(blank=True)
    status = EnumField(choices=Status, default=Status.ACTIVE)
    memory_scope = EnumField(choices=MemoryScope)
    memory_enabled = models.BooleanField(default=True)
    extraction_enabled = models.BooleanField(default=True)
    max_injected_memories = models.PositiveIntegerField(
        default=20, validators=[MinValueValidator(0), MaxValueValidator(200)]
    )
    memory_budget_tokens = models.PositiveIntegerField(
        default=2000, validators=[MinValueValidator(0), MaxValueValidator(100_000)]
    )
    memory_position = EnumField(choices=MemoryPosition, default=MemoryPosition.LAST_USER)
    default_model = models.CharField(max_length=256, blank=True)
    updated_at = models.DateTimeField(default=timezone.now)

    objects = OrgQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["org", "slug"],
                name="agent_slug_is_unique_in_its_org",
                violation_error_message="Another agent of this organization has this slug.",
            ),
            models.CheckConstraint(
                name="agent_slug_is_lower_case_words", condition=Q(slug__regex=r"^[a-z0-9-]+$")
            ),
        ]
        indexes = [
            models.Index(fields=["org", "-created_at", "-id"], name="agents_of_an_org_by_time")
        ]

    def __str__(self) -> str:
        return self.name
