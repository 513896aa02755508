"""Who IBEX works for: organizations, operators, memberships, tokens, and what they did."""

from typing import Any, Self, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone

from ibex.fields import EnumField
from ibex.ids import uuid7
from orgs.permissions import ALL, ROLE_PERMISSIONS, Permission

M = TypeVar("M", bound=models.Model)


class Organization(models.Model):
    """The tenant. Everything that belongs to a customer hangs from one of these."""

    class Status(models.TextChoices):
        """Whether the org's agents are served."""

        ACTIVE = "active"
        SUSPENDED = "suspended"
        DELETING = "deleting"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=255)
    slug = models.SlugField(max_length=100, unique=True)
    status = EnumField(choices=Status, default=Status.ACTIVE)
    data_retention_days = models.PositiveIntegerField(default=90)
    memory_extraction_enabled = models.BooleanField(default=True)
    mfa_required = models.BooleanField(default=False)
    rpm = models.PositiveIntegerField(default=600, help_text="Requests a minute, all agents.")
    monthly_token_budget = models.PositiveBigIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name", "pk"]
        constraints = [
            models.CheckConstraint(
                name="organization_slug_is_lower_case_words",
                condition=Q(slug__regex=r"^[a-z0-9-]+$"),
                violation_error_message="A slug has only a-z, 0-9 and hyphens.",
            ),
            models.CheckConstraint(
                name="organization_retention_is_at_least_a_day",
                condition=Q(data_retention_days__gte=1),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class OrgQuerySet(models.QuerySet[M]):
    """The queryset of every model owned by an organization."""

    def for_org(self, org: Organization) -> Self:
        """Keep only `org`'s rows. Every read made for a request starts here."""
        return self.filter(org=org)


class TenantModel(models.Model):
    """A row of one organization, under row-level security (`ibex.schema.Tenant`)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    org = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        abstract = True


class OperatorManager(BaseUserManager["Operator"]):
    """Makes operators; addresses are compared without case."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "Operator":
        """Create an operator; without a password the account cannot sign in by one."""
        operator = self.model(email=email.strip().lower(), **fields)
        operator.set_password(password)
        operator.full_clean(exclude=["password"])
        operator.save(using=self._db)
        return operator

    def get_by_natural_key(self, username: str | None) -> "Operator":
        """Find an operator by address, as sign-in does."""
        return self.get(email=(username or "").strip().lower())


def is_time_zone(name: str) -> None:
    """Refuse a name that the time zone database does not have."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValidationError("There is no time zone of this name.") from None


class Operator(AbstractBaseUser):
    """A person with a login. What they may do comes from their memberships.

    `chosen_org_id` is where they worked last. There is no foreign key: it is a wish, and each
    request asks the memberships anew. `time_range` is the range of time they chose last, by the
    name that `orgs.figures` gives it.
    """

    class Theme(models.TextChoices):
        """How the console looks to this person."""

        SYSTEM = "system", "As the system"
        LIGHT = "light"
        DARK = "dark"

    class Density(models.TextChoices):
        """How much room tables and cards take."""

        COMFORTABLE = "comfortable"
        COMPACT = "compact"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=255, blank=True)
    is_active = models.BooleanField(default=True)
    theme = EnumField(choices=Theme, default=Theme.SYSTEM)
    density = EnumField(choices=Density, default=Density.COMFORTABLE)
    time_zone = models.CharField(max_length=64, default="UTC", validators=[is_time_zone])
    shortcuts = models.BooleanField("keyboard shortcuts", default=True)
    chosen_org_id = models.UUIDField(null=True, editable=False)
    time_range = models.CharField(max_length=16, blank=True, default="", editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = OperatorManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = []

    class Meta:
        ordering = ["email"]

    def __str__(self) -> str:
        return self.name or self.email


class Membership(TenantModel):
    """What one operator may do in one organization."""

    class Role(models.TextChoices):
        """From everything to reading."""

        OWNER = "owner"
        ADMIN = "admin"
        MEMBER = "member"
        VIEWER = "viewer"

    operator = models.ForeignKey(Operator, models.CASCADE, related_name="memberships")
    role = EnumField(choices=Role)
    suspended_at = models.DateTimeField(null=True, blank=True)

    objects = OrgQuerySet.as_manager()

    class Meta:
        ordering = ["created_at", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["org", "operator"], name="an_operator_joins_an_org_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.operator} ({self.role})"

    @property
    def state(self) -> str:
        """Whether they may enter, in a word."""
        return "active" if self.suspended_at is None else "suspended"

    @property
    def permissions(self) -> Permission:
        """The bits of this role."""
        return ROLE_PERMISSIONS[self.role]


class InvitationQuerySet(OrgQuerySet["Invitation"]):
    """Invitations by whether somebody may still come of them."""

    def waiting(self) -> Self:
        """Keep what was neither accepted nor withdrawn; some of it may have expired."""
        return self.filter(accepted_at=None, withdrawn_at=None)


class Invitation(TenantModel):
    """A role that waits for the person of an address. Its link works once, for seven days.

    Only an HMAC of the link's secret is kept; sending it again makes another secret.
    """

    email = models.EmailField()
    role = EnumField(choices=Membership.Role)
    digest = models.BinaryField(max_length=32, unique=True, editable=False)
    invited_by = models.ForeignKey(
        Operator, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    expires_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    accepted_at = models.DateTimeField(null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["org", "email"],
                condition=Q(accepted_at=None, withdrawn_at=None),
                name="an_address_is_invited_once_at_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email} ({self.role})"

    @property
    def state(self) -> str:
        """Whether its link still works, in a word."""
        if self.accepted_at is not None:
            return "accepted"
        if self.withdrawn_at is not None:
            return "withdrawn"
        return "expired" if self.expires_at <= timezone.now() else "waiting"


class TokenQuerySet(OrgQuerySet["Token"]):
    """Tokens by whether they still open anything."""

    def in_state(self, state: str) -> Self:
        """Keep the tokens of one state, as `Token.state` names it."""
        if state == Token.State.REVOKED:
            return self.filter(revoked_at__isnull=False)
        expired = Q(expires_at__isnull=False, expires_at__lte=timezone.now())
        living = self.filter(revoked_at=None)
        return living.filter(expired) if state == Token.State.EXPIRED else living.exclude(expired)


class Token(TenantModel):
    """An agent's credential. Its text is shown once; only an HMAC of it is kept."""

    class State(models.TextChoices):
        """Follows from the times; a revoked token stays revoked."""

        ACTIVE = "active"
        EXPIRED = "expired"
        REVOKED = "revoked"

    agent = models.ForeignKey(
        "agents.Agent",
        models.CASCADE,
        null=True,
        blank=True,
        related_name="tokens",
        db_constraint=False,
        help_text="The only agent it may act for; empty means any agent of the org.",
    )
    name = models.CharField(max_length=255)
    digest = models.BinaryField(max_length=32, unique=True, editable=False)
    prefix = models.CharField(max_length=32, editable=False)
    permissions = models.BigIntegerField()
    allowed_ips = ArrayField(models.CharField(max_length=49), default=list, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(
        Operator, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    replaces = models.OneToOneField(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="replaced_by",
        db_constraint=False,
        help_text="The token that was rotated into this one.",
    )

    objects = TokenQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                name="token_permissions_are_known_bits",
                condition=Q(permissions__gte=0, permissions__lte=int(ALL)),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def state(self) -> str:
        """Whether it still opens anything."""
        if self.revoked_at is not None:
            return self.State.REVOKED
        is_over = self.expires_at is not None and self.expires_at <= timezone.now()
        return self.State.EXPIRED if is_over else self.State.ACTIVE

    def get_state_display(self) -> str:
        """Say the state in words."""
        return self.State(self.state).label

    @property
    def successor(self) -> "Token | None":
        """The token that this one was rotated into, if it was."""
        return getattr(self, "replaced_by", None)


class SavedView(TenantModel):
    """A list's filter under a name: an operator's own, or shared with their organization.

    It is kept here because it belongs to a member, whichever app the list is of.
    """

    operator = models.ForeignKey(Operator, models.CASCADE, related_name="+")
    name = models.CharField(max_length=60)
    path = models.CharField(max_length=200, help_text="The list's address, without a query.")
    query = models.CharField(max_length=2_000, help_text="The filter's canonical form.")
    is_shared = models.BooleanField(default=False)

    objects = OrgQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["org", "operator", "path", "name"],
                name="an_operators_views_of_a_list_have_names_of_their_own",
                violation_error_message="You have a view of this list with this name.",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def url(self) -> str:
        """Where the view leads: the URL is the state, a view only fills it in."""
        return f"{self.path}?{self.query}"


class AuditEvent(models.Model):
    """One thing somebody did. Append-only, and it outlives its org: there is no foreign key.

    `before` and `after` hold hashes and lengths, never memory or directive text.
    `subject_details` is the one column that may name an end user; erasure nulls it.
    """

    class Actor(models.TextChoices):
        """What kind of caller acted."""

        OPERATOR = "operator"
        TOKEN = "token"  # noqa: S105 - a kind of actor
        SYSTEM = "system"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    org_id = models.UUIDField(editable=False)
    at = models.DateTimeField(default=timezone.now, editable=False)
    actor_type = EnumField(choices=Actor)
    actor_id = models.UUIDField(null=True)
    actor_label = models.CharField(max_length=255)
    action = models.CharField(max_length=64)
    target_type = models.CharField(max_length=64)
    target_id = models.UUIDField(null=True)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    reason = models.TextField(blank=True)
    ip = models.GenericIPAddressField(null=True)
    request_id = models.CharField(max_length=64, blank=True)
    subject_details = models.JSONField(null=True)

    objects = OrgQuerySet.as_manager()

    class Meta:
        ordering = ["-at", "-pk"]
        indexes = [
            models.Index(fields=["org_id", "-at", "-id"], name="audit_of_an_org_by_time"),
            models.Index(fields=["org_id", "target_id"], name="audit_of_a_target"),
            models.Index(fields=["org_id", "request_id"], name="audit_of_a_request"),
            models.Index(fields=["org_id", "action", "-at", "-id"], name="audit_by_action"),
            models.Index(fields=["org_id", "actor_label", "-at", "-id"], name="audit_by_actor"),
            models.Index(
                fields=["org_id", "actor_id", "-at", "-id"],
                condition=Q(actor_id__isnull=False),
                name="audit_of_an_actor",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.actor_label} {self.action}"
