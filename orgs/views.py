"""The first pages of the console: signing in, choosing an organization, agents, memories."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, cast
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView, LogoutView
from django.db.models import Model, OuterRef, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from agents.models import Agent
from ibex.counts import CappedCount, capped
from ibex.keyset import NEWEST_FIRST, MalformedCursor, Page, take_page
from memories.models import Memory
from orgs.access import CHOSEN_ORG, OrgRequest, accesses_of, operator_page
from orgs.forms import MemoryFilterForm, SignInForm
from orgs.permissions import Permission
from sessions.models import Session

M = TypeVar("M", bound=Model)

ROWS = 50

sign_in = LoginView.as_view(
    template_name="orgs/sign_in.html",
    authentication_form=SignInForm,
    redirect_authenticated_user=True,
)
sign_out = LogoutView.as_view()


@dataclass(frozen=True)
class AgentRow:
    """One agent in the overview."""

    agent: Agent
    memories: str
    sessions: str
    last_turn_at: datetime | None


@require_GET
@operator_page(Permission.AGENT_READ)
def overview(request: OrgRequest) -> HttpResponse:
    """List the organization's agents with what they have learned and when they last spoke."""
    memories = Memory.objects.active().filter(agent=OuterRef("pk"))
    sessions = Session.objects.filter(agent=OuterRef("pk"))
    agents: QuerySet[Any] = Agent.objects.filter(org=request.access.org_id).annotate(
        memory_count=CappedCount(memories),
        session_count=CappedCount(sessions),
        last_turn_at=Subquery(sessions.order_by("-last_turn_at").values("last_turn_at")[:1]),
    )
    page = _page(request, agents)
    rows = [
        AgentRow(a, capped(a.memory_count), capped(a.session_count), a.last_turn_at)
        for a in page.items
    ]
    return render(request, "orgs/overview.html", {"rows": rows, "page": page})


@require_GET
@operator_page(Permission.MEMORY_READ)
def agent_memories(request: OrgRequest, agent_id: UUID) -> HttpResponse:
    """List what one agent has learned, newest first, narrowed by text and status."""
    agent = get_object_or_404(Agent, org=request.access.org_id, pk=agent_id)
    form = MemoryFilterForm(request.GET)
    page = _page(request, form.narrow(Memory.objects.filter(org=agent.org_id, agent=agent)))
    context = {"agent": agent, "form": form, "page": page}
    return render(request, "memories/agent_memories.html", context)


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


def _page(request: HttpRequest, rows: QuerySet[M]) -> Page[M]:
    """Read the page that the URL's cursor names; a cursor that names none is a missing page."""
    try:
        return take_page(
            rows, limit=ROWS, cursor=request.GET.get("cursor") or None, order=NEWEST_FIRST
        )
    except MalformedCursor:
        raise Http404 from None
