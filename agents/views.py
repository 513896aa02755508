"""The console's pages of agents."""

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from agents.bulk import ACTIONS
from agents.filters import AgentFilter
from agents.listing import agent_row, counted_agents
from agents.models import Agent
from ibex.bulk import bulk_bar, bulk_page
from ibex.http import read_page, render_list
from memories.models import Memory
from orgs.access import OrgRequest, operator_page
from orgs.permissions import Permission
from sessions.models import Session

RECENT = 5


@require_GET
@operator_page(Permission.AGENT_READ)
def agents(request: OrgRequest) -> HttpResponse:
    """List the organization's agents with what they have learned; htmx gets only the results."""
    org_id = request.access.org_id
    filters = AgentFilter(request.GET, counted_agents(org_id), org_id=org_id)
    page = read_page(request, filters.rows)
    urls = {reverse(f"{name}-agents"): action for name, action in ACTIONS.items()}
    context = {
        "page": page,
        "rows": [agent_row(agent) for agent in page.items],
        "bulk": bulk_bar(request, filters, urls),
    }
    return render_list(request, "agents/agents.html", "agents/_results.html", filters, context)


@require_POST
@operator_page(Permission.AGENT_READ)
def agents_bulk(request: OrgRequest, action: str) -> HttpResponse:
    """Pause or activate many agents, after a page that says which."""
    rows = Agent.objects.filter(org=request.access.org_id)
    return bulk_page(request, ACTIONS[action], AgentFilter, rows, back=reverse("agents"))


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
