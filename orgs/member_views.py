"""The console's pages of members, invitations and the organization's settings."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast
from uuid import UUID

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.forms.models import model_to_dict
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ibex.errors import DomainError
from ibex.forms import ReasonForm
from ibex.http import client_ip, read_page, render_list, render_row
from ibex.tenancy import tenant
from ibex.versions import ChangedMeanwhile
from identity.devices import browsers_of
from identity.lockouts import locked_out, lockouts_of
from orgs import invitations as inviting
from orgs import members as membership_services
from orgs import services
from orgs.access import (
    SECOND_FACTORS,
    OrgRequest,
    accesses_of,
    choose,
    frame,
    operator_page,
)
from orgs.audit import Actor
from orgs.errors import LastOwner, OwnSignOut
from orgs.filters import MemberFilter
from orgs.member_forms import InviteForm, JoinForm, OrganizationForm, RoleForm
from orgs.models import AuditEvent, Invitation, Membership, Operator, Organization, Token
from orgs.permissions import ROLE_PERMISSIONS, Permission

MAX_INVITATIONS = 100


@require_GET
@operator_page(Permission.USER_MANAGE)
def members(request: OrgRequest) -> HttpResponse:
    """List who is in the organization, and who is invited; htmx gets only the results."""
    return _members(request, InviteForm(held=request.access.permissions))


@require_GET
@operator_page(Permission.USER_MANAGE)
def member(request: OrgRequest, membership_id: UUID) -> HttpResponse:
    """Show one member: how they sign in, where they are signed in, what locks them out."""
    row = get_object_or_404(_everybody(request.access.org_id), pk=membership_id)
    context = {
        "member": row,
        "operator": row.operator,
        "lockouts": lockouts_of(request.access.org_id, row.operator),
        "why_not_sign_out": _why_not_sign_out(request, row),
    }
    return render_row(request, "orgs/member.html", "orgs/_member.html", context)


@never_cache
@require_POST
@operator_page(Permission.USER_MANAGE, enters_tenant=False)
def invite(request: OrgRequest) -> HttpResponse:
    """Invite somebody by mail; the mail is sent after the invitation is saved."""
    held = request.access.permissions
    form = InviteForm(request.POST, held=held)
    if not form.is_valid():
        with tenant(request.access.org_id):
            return _members(request, form, status=HTTPStatus.BAD_REQUEST)
    try:
        with tenant(request.access.org_id):
            org = Organization.objects.get(pk=request.access.org_id)
            invitation, secret = inviting.invite(
                org=org, actor=request.actor, held=held, **form.cleaned_data
            )
    except DomainError as error:
        form.add_error(None, error.message)
        with tenant(request.access.org_id):
            return _members(request, form, status=error.status)
    return _deliver(request, invitation, secret)


@never_cache
@require_POST
@operator_page(Permission.USER_MANAGE, enters_tenant=False)
def resend_invitation(request: OrgRequest, invitation_id: UUID) -> HttpResponse:
    """Send an invitation again, with a new link; the old one works no longer."""
    held = request.access.permissions
    try:
        with tenant(request.access.org_id):
            invitation, secret = inviting.renew_invitation(
                invitation=_invitation(request, invitation_id), actor=request.actor, held=held
            )
    except DomainError as error:
        messages.error(request, error.message)
        return redirect("members")
    return _deliver(request, invitation, secret)


@require_POST
@operator_page(Permission.USER_MANAGE)
def withdraw_invitation(request: OrgRequest, invitation_id: UUID) -> HttpResponse:
    """Let an invitation's link work no longer."""
    invitation = _invitation(request, invitation_id)
    return _attempt(
        request,
        lambda: inviting.withdraw_invitation(invitation=invitation, actor=request.actor),
        f"The invitation of {invitation.email} is withdrawn.",
    )


@require_POST
@operator_page(Permission.USER_MANAGE)
def change_role(request: OrgRequest, membership_id: UUID) -> HttpResponse:
    """Give a member another role."""
    row, form = _membership(request, membership_id), RoleForm(request.POST)
    if not form.is_valid():
        messages.error(request, "There is no such role.")
        return redirect("members")
    role = form.cleaned_data["role"]
    words = f"{row.operator} is {role} now."
    return _change(request, row, membership_services.change_role, words, **form.cleaned_data)


@require_POST
@operator_page(Permission.USER_MANAGE)
def suspend_member(request: OrgRequest, membership_id: UUID) -> HttpResponse:
    """Let a member in no longer."""
    row = _membership(request, membership_id)
    words = f"{row.operator} is suspended, from the next request on."
    return _change(request, row, membership_services.suspend_member, words)


@require_POST
@operator_page(Permission.USER_MANAGE)
def unsuspend_member(request: OrgRequest, membership_id: UUID) -> HttpResponse:
    """Let a suspended member in again."""
    row = _membership(request, membership_id)
    words = f"{row.operator} may enter again."
    return _change(request, row, membership_services.unsuspend_member, words)


@require_POST
@operator_page(Permission.USER_MANAGE)
def sign_out_member(request: OrgRequest, membership_id: UUID) -> HttpResponse:
    """End a member's sessions in every browser."""
    row = _membership(request, membership_id)
    words = f"{row.operator} is signed out everywhere, and may sign in again."
    return _change(request, row, membership_services.sign_out_member, words)


@require_http_methods(["GET", "POST"])
@operator_page(Permission.USER_MANAGE)
def remove_member(request: OrgRequest, membership_id: UUID) -> HttpResponse:
    """End a membership, after a page that names the person and what stays."""
    row = _membership(request, membership_id)
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        words = f"{row.operator} is no longer a member."
        reason = form.cleaned_data["reason"]
        return _change(request, row, membership_services.remove_member, words, reason=reason)
    living = Token.objects.filter(org=row.org_id, created_by=row.operator_id)
    context = {
        "membership": row,
        "form": form,
        "tokens": living.in_state(Token.State.ACTIVE).count(),
    }
    status = HTTPStatus.BAD_REQUEST if form.is_bound else HTTPStatus.OK
    return render(request, "orgs/remove_member.html", context, status=status)


@require_http_methods(["GET", "POST"])
@operator_page(Permission.ORG_SETTINGS)
def organization_settings(request: OrgRequest) -> HttpResponse:
    """Show and change the organization's settings."""
    org = Organization.objects.get(pk=request.access.org_id)
    form = OrganizationForm.of(org, request.POST if request.method == "POST" else None)
    if not form.is_valid():
        status = HTTPStatus.BAD_REQUEST if form.is_bound else HTTPStatus.OK
        return _organization(request, form, status=status)
    said = form.cleaned_data
    kept = {name: said[name] for name in ("reason", "base_version")}
    try:
        if changes := form.changes():
            services.update_organization(org=org, actor=request.actor, **kept, **changes)
            messages.success(request, "Saved.")
    except ChangedMeanwhile as error:
        return _organization_conflict(request, form, error)
    return redirect("organization-settings")


@never_cache
@require_http_methods(["GET", "POST"])
def accept_invitation(request: HttpRequest, secret: str) -> HttpResponse:
    """Join an organization: with one's account when signed in, else with a new one."""
    mine = cast("OrgRequest", request)
    operator = mine.user if mine.user.is_authenticated else None
    if operator is not None:
        frame(mine)
    try:
        found = inviting.find_invitation(secret)
    except DomainError as error:
        return _join_page(mine, None, JoinForm(), status=error.status, refusal=error.message)
    form = JoinForm(request.POST if request.method == "POST" and operator is None else None)
    if request.method == "GET" or (operator is None and not form.is_valid()):
        status = HTTPStatus.BAD_REQUEST if form.is_bound else HTTPStatus.OK
        return _join_page(mine, found, form, status=status)
    try:
        if operator is not None:
            actor = _actor(mine, operator)
            inviting.accept_as_operator(secret=secret, operator=operator, actor=actor)
        else:
            place = {"ip": client_ip(request), "request_id": getattr(request, "request_id", "")}
            inviting.accept_as_newcomer(secret=secret, **form.cleaned_data, **place)
    except ValidationError as error:
        form.add_error(None, error)
        return _join_page(mine, found, form, status=HTTPStatus.BAD_REQUEST)
    except DomainError as error:
        return _join_page(mine, found, form, status=error.status, refusal=error.message)
    return _joined(mine, operator, found)


def _organization(
    request: OrgRequest, form: OrganizationForm, *, status: int, **more: Any
) -> HttpResponse:
    context = {"form": form, "org": form.instance, **more}
    return render(request, "orgs/organization.html", context, status=status)


def _organization_conflict(
    request: OrgRequest, form: OrganizationForm, error: ChangedMeanwhile
) -> HttpResponse:
    """Keep what the operator changed, on top of what is stored now; show what differs."""
    now = Organization.objects.get(pk=request.access.org_id)
    stored = model_to_dict(now, form.Meta.fields)
    again = OrganizationForm.of(now, form.rebased(stored, now.updated_at))
    more = {"conflict": error.message, "theirs": form.differences(stored)}
    return _organization(request, again, status=error.status, **more)


def _joined(
    request: OrgRequest, operator: Operator | None, found: inviting.OpenInvitation
) -> HttpResponse:
    messages.success(request, f"You are a member of {found.org_name} now.")
    if operator is None:
        return redirect("account_login")
    access = next(one for one in accesses_of(operator) if one.org_id == found.org_id)
    choose(request, access)
    return redirect("overview")


def _join_page(
    request: OrgRequest,
    found: inviting.OpenInvitation | None,
    form: JoinForm,
    *,
    status: int,
    **more: Any,
) -> HttpResponse:
    context = {"found": found, "form": form, **more}
    response = render(request, "orgs/accept_invitation.html", context, status=status)
    response["Referrer-Policy"] = "no-referrer"  # the address is the secret
    return response


def _everybody(org_id: UUID) -> QuerySet[Any]:
    """Return the members with their second factor, when they were seen and in how many browsers."""
    factors = Authenticator.objects.filter(user=OuterRef("operator"), type__in=SECOND_FACTORS)
    seen = UserSession.objects.filter(user=OuterRef("operator")).order_by("-last_seen_at")
    return (
        Membership.objects.filter(org=org_id)
        .select_related("operator")
        .annotate(
            has_factor=Exists(factors),
            last_seen_at=Subquery(seen.values("last_seen_at")[:1]),
            browsers=browsers_of(OuterRef("operator")),
        )
    )


def _members(request: OrgRequest, form: InviteForm, *, status: int = HTTPStatus.OK) -> HttpResponse:
    org_id, held = request.access.org_id, request.access.permissions
    filters = MemberFilter(request.GET, _everybody(org_id), org_id=org_id)
    page = read_page(request, filters.rows)
    last_owner = membership_services.last_owner(org_id)
    locked = locked_out(row.operator.email for row in page.items)
    waiting = Invitation.objects.filter(org=org_id).waiting().select_related("invited_by")
    context = {
        "page": page,
        "rows": [
            _row(request, membership, last_owner)
            | {"is_locked_out": membership.operator.email in locked}
            for membership in page.items
        ],
        "invitations": waiting.order_by("-created_at", "-pk")[:MAX_INVITATIONS],
        "form": form,
        "roles": membership_services.may_give(held),
    }
    templates = "orgs/members.html", "orgs/_members.html"
    response = render_list(request, *templates, filters, context, path=reverse("members"))
    if status != HTTPStatus.OK:
        response.status_code = status
    return response


def _row(request: OrgRequest, membership: Membership, last_owner: UUID | None) -> dict[str, Any]:
    """Say what this operator may do about a member, and why not."""
    why = _out_of_reach(request, membership)
    if membership.pk == last_owner and not why:
        why = LastOwner().message
    return {
        "membership": membership,
        "is_me": membership.operator_id == request.user.pk,
        "why_not": why,
    }


def _out_of_reach(request: OrgRequest, membership: Membership) -> str:
    """Say why this operator's role does not reach a member; empty when it does."""
    if ROLE_PERMISSIONS[membership.role] & ~request.access.permissions:
        return f"Your role, {request.access.role}, does not reach an {membership.role}."
    return ""


def _why_not_sign_out(request: OrgRequest, member: Any) -> str:
    """Say why a member cannot be signed out; empty when they can."""
    if why := _out_of_reach(request, member):
        return why
    if member.operator_id == request.user.pk:
        return OwnSignOut().message
    return "" if member.browsers else "They are signed in nowhere."


def _deliver(request: OrgRequest, invitation: Invitation, secret: str) -> HttpResponse:
    """Mail the link, or, where no mail goes out, show it to the inviter this once."""
    link = inviting.link_of(request, secret)
    is_sent = inviting.send_invitation(
        invitation=invitation,
        org_name=request.access.org_name,
        inviter=str(request.user),
        link=link,
    )
    if is_sent and not settings.DEVELOPMENT:
        messages.success(request, f"{invitation.email} is invited; the mail is on its way.")
        return redirect("members")
    shows = settings.DEVELOPMENT or not settings.SENDS_MAIL
    context = {"invitation": invitation, "link": link if shows else "", "is_sent": is_sent}
    return render(request, "orgs/invited.html", context)


def _change(
    request: OrgRequest, row: Membership, change: Callable[..., Any], words: str, **options: Any
) -> HttpResponse:
    held = request.access.permissions
    return _attempt(
        request,
        lambda: change(membership=row, actor=request.actor, held=held, **options),
        words,
    )


def _attempt(request: OrgRequest, change: Callable[[], Any], words: str) -> HttpResponse:
    try:
        change()
    except DomainError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, words)
    return redirect("members")


def _membership(request: OrgRequest, membership_id: UUID) -> Membership:
    rows = Membership.objects.filter(org=request.access.org_id).select_related("operator")
    return get_object_or_404(rows, pk=membership_id)


def _invitation(request: OrgRequest, invitation_id: UUID) -> Invitation:
    rows = Invitation.objects.filter(org=request.access.org_id)
    return get_object_or_404(rows, pk=invitation_id)


def _actor(request: OrgRequest, operator: Operator) -> Actor:
    request_id = getattr(request, "request_id", "")
    kind = AuditEvent.Actor.OPERATOR
    return Actor(kind, operator.pk, operator.email, client_ip(request), request_id)
