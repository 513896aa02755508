"""The console's pages of tokens."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from agents.models import Agent
from ibex.errors import DomainError
from ibex.forms import ReasonForm
from ibex.http import read_page, render_list, render_row
from orgs import services
from orgs.access import OrgRequest, operator_page
from orgs.filters import TokenFilter
from orgs.models import Organization, Token
from orgs.permissions import Permission
from orgs.rotation import refuse_rotation
from orgs.rotation import rotate_token as replace
from orgs.token_forms import MAX_AGENTS, RotationForm, TokenForm


@require_GET
@operator_page(Permission.TOKEN_CREATE)
def tokens(request: OrgRequest) -> HttpResponse:
    """List the organization's tokens, without their secrets; htmx gets only the results."""
    org_id = request.access.org_id
    rows = Token.objects.filter(org=org_id).select_related("agent", "created_by")
    filters = TokenFilter(request.GET, rows, org_id=org_id)
    context = {"page": read_page(request, filters.rows)}
    return render_list(request, "orgs/tokens.html", "orgs/_tokens.html", filters, context)


@require_GET
@operator_page(Permission.TOKEN_CREATE)
def token(request: OrgRequest, token_id: UUID) -> HttpResponse:
    """Show one token with all that is known of it, never its secret."""
    row = _token(request, token_id)
    context = {"token": row, "why_not_rotate": _why_not_rotate(request, row)}
    return render_row(request, "orgs/token.html", "orgs/_token.html", context)


@never_cache
@require_http_methods(["GET", "POST"])
@operator_page(Permission.TOKEN_CREATE)
def new_token(request: OrgRequest) -> HttpResponse:
    """Make a token; the answer alone shows its secret, which is not kept anywhere."""
    org_id, held = request.access.org_id, request.access.permissions
    agents = list(Agent.objects.filter(org=org_id).order_by("name", "pk")[:MAX_AGENTS])
    if request.method == "GET":
        return _form(request, TokenForm(agents=agents, held=held))
    form = TokenForm(request.POST, agents=agents, held=held)
    if not form.is_valid():
        return _form(request, form, status=HTTPStatus.BAD_REQUEST)
    said = form.cleaned_data
    said["agent"] = next((agent for agent in agents if agent.pk == said["agent"]), None)
    org = Organization.objects.get(pk=org_id)
    try:
        token, secret = services.issue_token(org=org, actor=request.actor, held=held, **said)
    except ValidationError as error:
        form.add_error(None, error)
        return _form(request, form, status=HTTPStatus.BAD_REQUEST)
    except DomainError as error:
        return _form(request, form, status=error.status, refusal=error.message)
    return render(request, "orgs/token_secret.html", {"token": token, "secret": secret})


@never_cache
@require_http_methods(["GET", "POST"])
@operator_page(Permission.TOKEN_CREATE | Permission.TOKEN_REVOKE)
def rotate_token(request: OrgRequest, token_id: UUID) -> HttpResponse:
    """Replace a token; the answer alone shows the new one's secret."""
    row, held = _token(request, token_id), request.access.permissions
    form = RotationForm(request.POST if request.method == "POST" else None)
    context = {"token": row, "form": form, "why_not": _why_not_rotate(request, row)}
    if not form.is_valid():
        status = HTTPStatus.BAD_REQUEST if form.is_bound else HTTPStatus.OK
        return render(request, "orgs/rotate_token.html", context, status=status)
    try:
        new, secret = replace(token=row, actor=request.actor, held=held, **form.cleaned_data)
    except DomainError as error:
        context["token"], context["why_not"] = _token(request, token_id), error.message
        return render(request, "orgs/rotate_token.html", context, status=error.status)
    context = {"token": new, "secret": secret, "old": new.replaces}
    return render(request, "orgs/token_secret.html", context)


@require_http_methods(["GET", "POST"])
@operator_page(Permission.TOKEN_REVOKE)
def revoke_token(request: OrgRequest, token_id: UUID) -> HttpResponse:
    """Revoke a token, after a page that names it: its users are refused from then on."""
    token = _token(request, token_id)
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        reason = form.cleaned_data["reason"]
        services.revoke_token(token=token, actor=request.actor, reason=reason)
        messages.success(request, f"{token.name} is revoked: whoever uses it is refused.")
        return redirect("tokens")
    status = HTTPStatus.BAD_REQUEST if form.is_bound else HTTPStatus.OK
    return render(request, "orgs/revoke_token.html", {"token": token, "form": form}, status=status)


def _token(request: OrgRequest, token_id: UUID) -> Token:
    rows = Token.objects.filter(org=request.access.org_id)
    related = rows.select_related("agent", "created_by", "replaces", "replaced_by")
    return get_object_or_404(related, pk=token_id)


def _why_not_rotate(request: OrgRequest, token: Token) -> str:
    """Say why this operator may not rotate a token; empty when they may."""
    if (Permission.TOKEN_CREATE | Permission.TOKEN_REVOKE) & ~request.access.permissions:
        return f"Your role, {request.access.role}, does not rotate tokens."
    try:
        refuse_rotation(token, request.access.permissions)
    except DomainError as error:
        return error.message
    return ""


def _form(
    request: OrgRequest, form: TokenForm, *, status: int = HTTPStatus.OK, **more: Any
) -> HttpResponse:
    return render(request, "orgs/new_token.html", {"form": form, **more}, status=status)
