"""The management API of members, invitations and the organization itself."""

from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from ibex.api import OrgViewSet, PageQuery, Reason, StrictSerializer, Text, filter_query
from ibex.keyset import NEWEST_FIRST
from ibex.openapi import documented, page_of
from ibex.tenancy import tenant
from orgs import invitations as inviting
from orgs import members as membership_services
from orgs import services
from orgs.filters import MemberFilter
from orgs.models import Invitation, Membership, Organization
from orgs.permissions import Permission
from orgs.refusals import AgentNotAuthorized

STATES = [("active", "active"), ("suspended", "suspended")]
INVITATION_STATES = [(name, name) for name in ("waiting", "expired", "accepted", "withdrawn")]


class MemberSerializer(serializers.ModelSerializer[Membership]):
    """A person in the organization, and what they may do."""

    operator_id = serializers.UUIDField(read_only=True)
    email = serializers.EmailField(source="operator.email", read_only=True)
    name = serializers.CharField(source="operator.name", read_only=True)
    state = serializers.ChoiceField(STATES, read_only=True)

    class Meta:
        model = Membership
        fields = [
            "id",
            "operator_id",
            "email",
            "name",
            "role",
            "state",
            "suspended_at",
            "created_at",
        ]


class MemberChanges(StrictSerializer):
    """Another role, and why."""

    role = serializers.ChoiceField(Membership.Role.choices, required=False)
    reason = Text(default="", allow_blank=True, max_length=500)


class InvitationSerializer(serializers.ModelSerializer[Invitation]):
    """A role that waits for the person of an address."""

    state = serializers.ChoiceField(INVITATION_STATES, read_only=True)

    class Meta:
        model = Invitation
        fields = ["id", "email", "role", "state", "expires_at", "sent_at", "created_at"]


class SentInvitation(InvitationSerializer):
    """An invitation with its link, where no mail goes out; it is shown this once."""

    link = serializers.CharField(allow_null=True, read_only=True)

    class Meta(InvitationSerializer.Meta):
        fields = [*InvitationSerializer.Meta.fields, "link"]


class NewInvitation(StrictSerializer):
    """Whom to invite, and as what: no more than the caller may do."""

    email = serializers.EmailField(max_length=254)
    role = serializers.ChoiceField(Membership.Role.choices)
    reason = Text(default="", allow_blank=True, max_length=500)


class OrganizationSerializer(serializers.ModelSerializer[Organization]):
    """The organization and its settings."""

    class Meta:
        model = Organization
        fields = [
            "id",
            "name",
            "slug",
            "status",
            "data_retention_days",
            "memory_extraction_enabled",
            "mfa_required",
            "rpm",
            "monthly_token_budget",
            "created_at",
            "updated_at",
        ]


class OrganizationChanges(StrictSerializer):
    """Settings to change; what is left out stays."""

    name = Text(required=False, max_length=255)
    data_retention_days = serializers.IntegerField(required=False, min_value=1, max_value=36_500)
    memory_extraction_enabled = serializers.BooleanField(required=False)
    mfa_required = serializers.BooleanField(required=False)
    rpm = serializers.IntegerField(required=False, min_value=0, max_value=1_000_000_000)
    monthly_token_budget = serializers.IntegerField(
        required=False, allow_null=True, min_value=0, max_value=10**15
    )
    reason = Text(default="", allow_blank=True, max_length=500)


class WholeOrgViewSet(OrgViewSet[Any]):
    """What is about the whole organization: for a token of one agent it does not exist."""

    everybodys: ClassVar[QuerySet[Any]]

    def get_queryset(self) -> QuerySet[Any]:
        """Narrow to the organization; nothing for a token of one agent."""
        if getattr(self, "swagger_fake_view", False) or self.caller.agent_id is not None:
            return self.everybodys.none()
        return self.everybodys.filter(org=self.caller.org_id)

    def refuse_bound_tokens(self) -> None:
        """Keep a token of one agent from changing what others share."""
        if self.caller.agent_id is not None:
            raise AgentNotAuthorized


class MemberViewSet(WholeOrgViewSet):
    """See who is in the organization, give roles as far as one's own reaches, and take them."""

    queryset = everybodys = Membership.objects.select_related("operator")
    required: ClassVar = dict.fromkeys(
        ("list", "retrieve", "partial_update", "suspend", "unsuspend", "sign_out", "destroy"),
        Permission.USER_MANAGE,
    )

    @documented(query=filter_query(MemberFilter), answers=page_of(MemberSerializer))
    def list(self, _request: Request) -> Response:
        """List members, newest first."""
        rows, query = self.filtered(MemberFilter)
        return self.page(rows, query, MemberSerializer().to_representation)

    @documented(answers=MemberSerializer)
    def retrieve(self, _request: Request, **_ids: UUID) -> Response:
        """Show one member."""
        return Response(MemberSerializer(self.get_object()).data)

    @documented(
        takes=MemberChanges, answers=MemberSerializer, refuses={409: ["LAST_OWNER_PROTECTED"]}
    )
    def partial_update(self, request: Request, **_ids: UUID) -> Response:
        """Give a member another role."""
        row, said = self.get_object(), self.read(MemberChanges, request.data)
        if "role" in said:
            self._change(row, membership_services.change_role, **said)
        return Response(MemberSerializer(self.get_object()).data)

    @documented(
        takes=Reason,
        answers=MemberSerializer,
        refuses={409: ["CONFLICT", "LAST_OWNER_PROTECTED"]},
    )
    def suspend(self, request: Request, **_ids: UUID) -> Response:
        """Let a member in no longer, from their next request on."""
        said = self.read(Reason, request.data)
        self._change(self.get_object(), membership_services.suspend_member, **said)
        return Response(MemberSerializer(self.get_object()).data)

    @documented(takes=Reason, answers=MemberSerializer)
    def unsuspend(self, request: Request, **_ids: UUID) -> Response:
        """Let a suspended member in again."""
        said = self.read(Reason, request.data)
        self._change(self.get_object(), membership_services.unsuspend_member, **said)
        return Response(MemberSerializer(self.get_object()).data)

    @documented(takes=Reason, answers=MemberSerializer, refuses={409: ["CONFLICT"]})
    def sign_out(self, request: Request, **_ids: UUID) -> Response:
        """End a member's sessions in every browser; they may sign in again."""
        said = self.read(Reason, request.data)
        self._change(self.get_object(), membership_services.sign_out_member, **said)
        return Response(MemberSerializer(self.get_object()).data)

    @documented(answers={204: None}, refuses={409: ["LAST_OWNER_PROTECTED"]})
    def destroy(self, request: Request, **_ids: UUID) -> Response:
        """Remove a member; their account and what they made stay."""
        said = self.read(Reason, request.data)
        self._change(self.get_object(), membership_services.remove_member, **said)
        return Response(status=204)

    def _change(self, row: Membership, change: Any, **said: Any) -> None:
        held = self.caller.permissions
        change(membership=row, actor=self.caller.actor, held=held, **said)


class InvitationViewSet(WholeOrgViewSet):
    """Invite people by mail: a link that works once, for seven days."""

    queryset = everybodys = Invitation.objects.all()
    required: ClassVar = dict.fromkeys(
        ("list", "create", "resend", "withdraw"), Permission.USER_MANAGE
    )
    enters_tenant_itself = frozenset({"create", "resend"})

    @documented(query=PageQuery, answers=page_of(InvitationSerializer))
    def list(self, _request: Request) -> Response:
        """List invitations that nobody accepted or withdrew, newest first."""
        rows: Any = self.get_queryset()
        show = InvitationSerializer().to_representation
        return self.page(rows.waiting(), self.read_query(PageQuery), show, NEWEST_FIRST)

    @documented(
        takes=NewInvitation,
        answers={201: SentInvitation},
        refuses={403: ["AGENT_NOT_AUTHORIZED"], 409: ["ALREADY_INVITED", "ALREADY_MEMBER"]},
    )
    def create(self, request: Request) -> Response:
        """Invite somebody; `link` is null where the mail carries it."""
        self.refuse_bound_tokens()
        said = self.read(NewInvitation, request.data)
        with tenant(self.caller.org_id):
            org = Organization.objects.get(pk=self.caller.org_id)
            invitation, secret = inviting.invite(
                org=org, actor=self.caller.actor, held=self.caller.permissions, **said
            )
        return self._deliver(request, org, invitation, secret, status=201)

    @documented(
        takes=Reason,
        answers=SentInvitation,
        refuses={404: ["INVITATION_CLOSED"]},
    )
    def resend(self, request: Request, **_ids: UUID) -> Response:
        """Send a new link, for seven days; the old one works no longer."""
        reason = self.read(Reason, request.data)["reason"]
        with tenant(self.caller.org_id):
            org = Organization.objects.get(pk=self.caller.org_id)
            invitation, secret = inviting.renew_invitation(
                invitation=self.get_object(),
                actor=self.caller.actor,
                held=self.caller.permissions,
                reason=reason,
            )
        return self._deliver(request, org, invitation, secret)

    @documented(takes=Reason, answers=InvitationSerializer, refuses={404: ["INVITATION_CLOSED"]})
    def withdraw(self, request: Request, **_ids: UUID) -> Response:
        """Let an invitation's link work no longer."""
        row, reason = self.get_object(), self.read(Reason, request.data)["reason"]
        row = inviting.withdraw_invitation(invitation=row, actor=self.caller.actor, reason=reason)
        return Response(InvitationSerializer(row).data)

    def _deliver(
        self,
        request: Request,
        org: Organization,
        invitation: Invitation,
        secret: str,
        status: int = 200,
    ) -> Response:
        """Mail the link outside the transaction; show it only where no mail goes out."""
        link = inviting.link_of(request, secret)
        inviter = self.caller.actor.label
        is_sent = inviting.send_invitation(
            invitation=invitation, org_name=org.name, inviter=inviter, link=link
        )
        with tenant(self.caller.org_id):
            invitation.refresh_from_db()
            shown: dict[str, Any] = dict(InvitationSerializer(invitation).data)
        may_show = settings.DEVELOPMENT or not settings.SENDS_MAIL
        shown["link"] = link if may_show and not is_sent else None
        return Response(shown, status=status)


class OrganizationViewSet(OrgViewSet[Organization]):
    """The caller's own organization."""

    queryset = Organization.objects.all()
    required: ClassVar = dict.fromkeys(("retrieve", "partial_update"), Permission.ORG_SETTINGS)

    @documented(answers=OrganizationSerializer)
    def retrieve(self, _request: Request) -> Response:
        """Show the organization and its settings."""
        return Response(OrganizationSerializer(self._mine()).data)

    @documented(
        takes=OrganizationChanges,
        answers=OrganizationSerializer,
        refuses={403: ["AGENT_NOT_AUTHORIZED"]},
    )
    def partial_update(self, request: Request) -> Response:
        """Change the organization's settings."""
        if self.caller.agent_id is not None:
            raise AgentNotAuthorized
        changes = self.read(OrganizationChanges, request.data)
        reason = changes.pop("reason")
        if changes:
            services.update_organization(
                org=self._mine(), actor=self.caller.actor, reason=reason, **changes
            )
        return Response(OrganizationSerializer(self._mine()).data)

    def _mine(self) -> Organization:
        return Organization.objects.get(pk=self.caller.org_id)
