"""Getting into the console: signing in, choosing an organization, and its overview."""

from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView, LogoutView
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from agents.listing import agent_row, counted_agents
from agents.models import Agent
from directives.models import DirectiveVersion
from ibex.counts import CappedCount, capped
from ibex.http import wants_fragment
from memories.models import Memory
from orgs.access import CHOSEN_ORG, OrgRequest, accesses_of, operator_page
from orgs.forms import SignInForm
from orgs.models import Organization
from orgs.permissions import Permission
from sessions.models import Session

SHOWN = 6

sign_out = LogoutView.as_view()
_sign_in = LoginView.as_view(
    template_name="orgs/sign_in.html",
    authentication_form=SignInForm,
    redirect_authenticated_user=True,
)


def sign_in(request: HttpRequest) -> HttpResponse:
    """Ask who is there; a fragment's request, whose session ended, moves the whole page here."""
    if wants_fragment(request) and request.method == "GET":
        came_from = urlsplit(request.headers.get("HX-Current-URL", ""))
        back = f"{came_from.path or '/'}{'?' if came_from.query else ''}{came_from.query}"
        target = f"{request.path}?{urlencode({'next': back})}"
        return HttpResponse(headers={"HX-Redirect": target})
    return cast("HttpResponse", _sign_in(request))


@dataclass(frozen=True)
class Totals:
    """How much the organization has of what matters."""

    agents: str
    memories: str
    sessions: str


@require_GET
@operator_page(Permission.AGENT_READ)
def overview(request: OrgRequest) -> HttpResponse:
    """Show the organization's agents, and what happened last."""
    org_id = request.access.org_id
    agents = counted_agents(org_id).order_by("-created_at", "-pk")[:SHOWN]
    sessions = Session.objects.filter(org=org_id).select_related("agent")
    pushes = DirectiveVersion.objects.filter(org=org_id).select_related("directive__agent")
    context = {
        "totals": _totals(org_id),
        "rows": [agent_row(agent) for agent in agents],
        "sessions": sessions.order_by("-created_at", "-pk")[:SHOWN],
        "pushes": pushes.defer("content").order_by("-created_at", "-pk")[:SHOWN],
    }
    return render(request, "orgs/overview.html", context)


@require_http_methods(["GET", "POST"])
@login_required
def organizations(request: HttpRequest) -> HttpResponse:
    """Let the operator choose which of their organizations to work in."""
    accesses = accesses_of(cast("OrgRequest", request).user)
    if request.method == "POST":
        chosen = request.POST.get("org_id", "")
        if chosen not in {str(access.org_id) for access in accesses}:
            raise Http404
        request.session[CHOSEN_ORG] = chosen
        return redirect("overview")
    return render(request, "orgs/organizations.html", {"accesses": accesses})


def _totals(org_id: UUID) -> Totals:
    """Count in one query, and no further than the cap."""
    counted: Any = Organization.objects.annotate(
        agents=CappedCount(Agent.objects.filter(org=org_id)),
        memories=CappedCount(Memory.objects.active().filter(org=org_id)),
        sessions=CappedCount(Session.objects.filter(org=org_id)),
    )
    org = counted.get(pk=org_id)
    return Totals(capped(org.agents), capped(org.memories), capped(org.sessions))
