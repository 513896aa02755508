"""What is left to do before an organization's agents remember safely."""

from dataclasses import dataclass
from uuid import UUID

from allauth.mfa.utils import is_mfa_enabled
from django.db.models import Exists
from django.urls import NoReverseMatch, reverse

from agents.models import Agent
from analytics.models import RequestRecord
from orgs.access import SECOND_FACTORS, OrgRequest
from orgs.models import Membership, Organization, Token
from orgs.permissions import Permission

HIDDEN = "setup_hidden"
"""The key of the browser's session under which hidden check lists are noted."""


@dataclass(frozen=True)
class Step:
    """One thing to do, whether it is done, and where it is done.

    `refused` says why this operator cannot do it, in a sentence; empty when they can.
    """

    name: str
    label: str
    why: str
    url: str
    is_done: bool
    refused: str = ""


@dataclass(frozen=True)
class Setup:
    """The steps, and how many are done."""

    steps: list[Step]
    agent: Agent | None

    @property
    def done(self) -> int:
        """How many are done."""
        return sum(step.is_done for step in self.steps)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left."""
        return self.done == len(self.steps)

    @property
    def is_connected(self) -> bool:
        """Whether a first request has come."""
        return any(step.is_done for step in self.steps if step.name == "connect")


def read_setup(request: OrgRequest) -> Setup | None:
    """Look what is done; None when the operator has hidden the list."""
    org_id = request.access.org_id
    if str(org_id) in request.session.get(HIDDEN, []):
        return None
    mine = {"org": org_id}
    owners = Membership.objects.filter(**mine, role=Membership.Role.OWNER, suspended_at=None)
    said = Organization.objects.filter(pk=org_id).values_list(
        Exists(Token.objects.filter(**mine, revoked_at=None)),
        Exists(RequestRecord.objects.filter(**mine).values("org_id")),
        Exists(owners.order_by("pk")[1:2].values("pk")),
    )
    has_token, has_request, has_second_owner = said.get()
    agent = Agent.objects.filter(**mine).order_by("created_at", "pk").first()
    has_factor = is_mfa_enabled(request.user, SECOND_FACTORS)
    return Setup(
        [
            Step(
                "agent",
                "Create an agent",
                "It is what remembers",
                _url("new-agent"),
                bool(agent),
                _refused(request, Permission.AGENT_WRITE, "create agents"),
            ),
            Step(
                "key",
                "Create a key",
                "Your application signs in by it",
                _url("new-token"),
                has_token,
                _refused(request, Permission.TOKEN_CREATE, "create tokens"),
            ),
            Step(
                "connect",
                "Connect your application",
                "Only its base URL changes",
                "#connect",
                has_request,
            ),
            Step(
                "factor",
                "Turn on two-step sign-in",
                "Your account steers agents",
                _url("me"),
                has_factor,
            ),
            Step(
                "owner",
                "Invite a second owner",
                "So that nobody is locked out",
                _url("members"),
                has_second_owner,
                _refused(request, Permission.USER_MANAGE, "invite members"),
            ),
        ],
        agent,
    )


def has_request(org_id: UUID) -> bool:
    """Say whether the organization's first request has been recorded."""
    return RequestRecord.objects.filter(org=org_id).values("org_id").exists()


def hide_setup(request: OrgRequest) -> None:
    """Leave the list out in this browser from now on."""
    hidden = request.session.get(HIDDEN, [])
    request.session[HIDDEN] = [*hidden, str(request.access.org_id)]


def _refused(request: OrgRequest, needs: Permission, what: str) -> str:
    if not needs & ~request.access.permissions:
        return ""
    return f"Your role, {request.access.role}, does not {what}."


def _url(name: str) -> str:
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""
