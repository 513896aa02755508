"""Directives: what operators tell an agent, as immutable numbered versions, and their drafts."""

from typing import Any, Self
from uuid import UUID

from django.db import models
from django.db.models import OuterRef, Q, Subquery
from django.utils import timezone

from agents.models import Agent
from ibex.fields import EnumField
from orgs.audit import Actor
from orgs.models import AuditEvent, Operator, OrgQuerySet, TenantModel, Token

MAX_BYTES = 32_768
MAX_DRAFT_BYTES = 4 * MAX_BYTES
"""A draft may be too long to push: where else would it be shortened?"""
MAX_REASON = 500
NEVER_PUSHED = 0
"""The number of the version before the first."""


class Directive(TenantModel):
    """The standing instruction of one agent: which version is active, and where its text goes.

    `injection_mode` is what the data plane reads: the active version's, once there is one.
    """

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

    @property
    def active_number(self) -> int:
        """The number of the active version; 0 before the first push."""
        return self.active_version.number if self.active_version else NEVER_PUSHED


class VersionQuerySet(OrgQuerySet["DirectiveVersion"]):
    """Versions, by agent."""

    def of_agent(self, agent: Agent) -> Self:
        """Keep the versions of one agent's directive."""
        return self.filter(org=agent.org_id, directive__agent=agent)

    def without_text(self) -> Self:
        """Leave the text where it is: a list of versions shows none."""
        return self.defer("content", "rolled_back_from__content")

    def with_ends(self) -> Self:
        """Add `replaced_at`, when the next version took a version's place; None until then."""
        following = DirectiveVersion.objects.filter(
            org=OuterRef("org"), directive=OuterRef("directive"), number=OuterRef("number") + 1
        )
        return self.annotate(replaced_at=Subquery(following.values("created_at")))


class DirectiveVersion(TenantModel):
    """One text and its place in the prompt, as pushed. Never changed; rolling back copies both.

    `author` names whoever pushed as audit does: a token too, and an operator who is gone.
    """

    directive = models.ForeignKey(
        Directive, models.CASCADE, related_name="versions", db_constraint=False
    )
    number = models.PositiveIntegerField()
    content = models.TextField()
    injection_mode = EnumField(choices=Directive.InjectionMode)
    sha256 = models.CharField(max_length=64)
    reason = models.TextField(blank=True)
    created_by = models.ForeignKey(
        Operator, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    author = models.CharField(max_length=255, blank=True)
    size = models.PositiveIntegerField(help_text="Bytes of the text in UTF-8.")
    rolled_back_from = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="+", db_constraint=False
    )

    objects = VersionQuerySet.as_manager()

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

    def says(self, content: str, injection_mode: str) -> bool:
        """Say whether it is this very text at this place in the prompt."""
        return self.content == content and self.injection_mode == injection_mode

    @property
    def pushed_by(self) -> str:
        """The operator's name, or how audit named whoever pushed."""
        return str(self.created_by) if self.created_by else self.author


class DraftQuerySet(OrgQuerySet["DirectiveDraft"]):
    """Drafts, by who writes them."""

    def of(self, agent: Agent, actor: Actor) -> Self:
        """Keep the one draft of `agent`'s directive that is `actor`'s own."""
        return self.filter(org=agent.org_id, agent=agent, **holder(actor))


class DirectiveDraft(TenantModel):
    """What one operator, or one token, is writing. Nobody else's saving ever touches it.

    `base_version` is the number of the version it began from; 0 when there was none.
    `injection_mode` is empty unless the draft changes it too. `revision` counts the saves, so
    that two windows of the same person cannot overwrite each other unseen.
    """

    agent = models.ForeignKey(Agent, models.CASCADE, related_name="+", db_constraint=False)
    operator = models.ForeignKey(Operator, models.CASCADE, null=True, blank=True, related_name="+")
    token = models.ForeignKey(
        Token, models.CASCADE, null=True, blank=True, related_name="+", db_constraint=False
    )
    base_version = models.PositiveIntegerField(default=NEVER_PUSHED)
    content = models.TextField(blank=True)
    injection_mode = EnumField(choices=Directive.InjectionMode, null=True, blank=True)
    reason = models.CharField(max_length=MAX_REASON, blank=True)
    revision = models.PositiveIntegerField(default=0)
    updated_at = models.DateTimeField(default=timezone.now)

    objects = DraftQuerySet.as_manager()

    class Meta:
        ordering = ["-updated_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["agent", "operator"], name="an_operator_has_one_draft_per_agent"
            ),
            models.UniqueConstraint(
                fields=["agent", "token"], name="a_token_has_one_draft_per_agent"
            ),
            models.CheckConstraint(
                name="a_draft_is_an_operators_or_a_tokens",
                condition=Q(operator=None) ^ Q(token=None),
            ),
        ]

    def __str__(self) -> str:
        return f"Draft by {self.author}"

    def is_seen_as(self, draft_id: UUID | None, revision: int) -> bool:
        """Say whether a window shows this save; one that names no draft goes by its number."""
        return draft_id in {None, self.pk} and revision == self.revision

    @property
    def author(self) -> str:
        """Whose draft it is."""
        return str(self.operator or self.token)

    @property
    def size(self) -> int:
        """The bytes of the text in UTF-8."""
        return len(self.content.encode())


def holder(actor: Actor) -> dict[str, Any]:
    """Return the columns that make a draft `actor`'s own. IBEX itself writes none."""
    if actor.type == AuditEvent.Actor.OPERATOR:
        return {"operator_id": actor.id}
    if actor.type == AuditEvent.Actor.TOKEN:
        return {"token_id": actor.id}
    raise TypeError(f"A draft belongs to an operator or a token, not to {actor.type}.")
