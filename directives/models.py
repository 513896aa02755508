"""Directives: what operators tell an agent, as immutable numbered versions."""

from django.db import models
from django.db.models import Q

from agents.models import Agent
from ibex.fields import EnumField
from orgs.models import Operator, OrgQuerySet, TenantModel

MAX_BYTES = 32_768


class Directive(TenantModel):
    """The standing instruction of one agent: where it goes and which version is active."""

    class InjectionMode(models.TextChoices):
        """Where in the prompt the text goes."""

        SYSTEM_FIRST = "system_first"
        SYSTEM_APPEND = "system_append"
        USER_PREPEND = "user_prepend"

    agent = models.OneToOneField(
        Agent, models.CASCADE, related_name="directive", db_constraint=False
    )
    injection_mode = EnumField(choices=InjectionMode, default=InjectionMode.SYSTEM_FIRST)
    active_version = models.ForeignKey(
        "DirectiveVersion",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        db_constraint=False,
    )

    objects = OrgQuerySet.as_manager()

    def __str__(self) -> str:
        return f"Directive of {self.agent}"


class DirectiveVersion(TenantModel):
    """One text that was pushed. Never changed; rolling back copies it into a new version."""

    directive = models.ForeignKey(
        Directive, models.CASCADE, related_name="versions", db_constraint=False
    )
    number = models.PositiveIntegerField()
    content = models.TextField()
    sha256 = models.CharField(max_length=64)
    reason = models.TextField(blank=True)
    created_by = models.ForeignKey(
        Operator, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    copied_from = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="+", db_constraint=False
    )

    objects = OrgQuerySet.as_manager()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["directive", "number"], name="directive_versions_are_numbered_once"
            ),
            models.CheckConstraint(
                name="directive_content_is_not_empty", condition=Q(content__gt="")
            ),
        ]

    def __str__(self) -> str:
        return f"Version {self.number}"
