"""Choosing an organization, and its overview."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from agents.listing import agent_row, counted_agents
from agents.models import Agent
from directives.models import DirectiveVersion
from ibex.counts import CappedCount, capped
from memories.models import Memory
from orgs.access import OrgRequest, choose, operator_page, own_page
from orgs.models import Organization
from orgs.permissions import Permission
from sessions.models import Session

SHOWN = 6


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
@own_page
def organizations(request: OrgRequest) -> HttpResponse:
    """Let the operator choose which of their organizations to work in."""
    if request.method == "POST":
        chosen = request.POST.get("org_id", "")
        for access in request.accesses:
            if str(access.org_id) == chosen:
                choose(request, access)
                return redirect("overview")
        raise Http404
    return render(request, "orgs/organizations.html", {"accesses": request.accesses})


def _totals(org_id: UUID) -> Totals:
    """Count in one query, and no further than the cap."""
    counted: Any = Organization.objects.annotate(
        agents=CappedCount(Agent.objects.filter(org=org_id)),
        memories=CappedCount(Memory.objects.active().filter(org=org_id)),
        sessions=CappedCount(Session.objects.filter(org=org_id)),
    )
    org = counted.get(pk=org_id)
    return Totals(capped(org.agents), capped(org.memories), capped(org.sessions))
