"""The console's pages of agents."""

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from agents.listing import agent_row, counted_agents
from ibex.http import read_page
from memories.models import Memory
from orgs.access import OrgRequest, operator_page
from orgs.permissions import Permission
from sessions.models import Session

RECENT = 5


@require_GET
@operator_page(Permission.AGENT_READ)
def agents(request: OrgRequest) -> HttpResponse:
    """List the organization's agents with what they have learned and when they last spoke."""
    page = read_page(request, counted_agents(request.access.org_id))
    rows = [agent_row(agent) for agent in page.items]
    return render(request, "agents/agents.html", {"rows": rows, "page": page})


@require_GET
@operator_page(Permission.AGENT_READ)
def agent(request: OrgRequest, agent_id: UUID) -> HttpResponse:
    """Show how one agent is set up, what it learned last and whom it spoke to."""
    row = agent_row(get_object_or_404(counted_agents(request.access.org_id), pk=agent_id))
    mine = {"org": request.access.org_id, "agent": row.agent}
    memories = Memory.objects.filter(**mine).active().order_by("-created_at", "-pk")[:RECENT]
    sessions = Session.objects.filter(**mine).order_by("-last_turn_at", "-pk")[:RECENT]
    context = {"row": row, "agent": row.agent, "memories": memories, "sessions": sessions}
    return render(request, "agents/agent.html", context)
