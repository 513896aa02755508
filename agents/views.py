"""The console's pages of agents."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from agents import services
from agents.bulk import ACTIONS
from agents.filters import AgentFilter
from agents.forms import DEFAULTS, SCOPES, AgentForm, AgentSettingsForm, NewAgentForm, values_of
from agents.health import memory_health
from agents.jobs import KIND
from agents.listing import agent_row, counted_agents
from agents.models import Agent
from agents.stats import agent_stats
from ibex.bulk import bulk_bar, bulk_page
from ibex.errors import DomainError
from ibex.forms import ReasonForm
from ibex.http import read_page, render_list
from ibex.notices import tell
from ibex.versions import ChangedMeanwhile
from memories.models import Memory
from orgs.access import OrgRequest, operator_page
from orgs.models import Organization, Token
from orgs.permissions import Permission
from sessions.models import Session

RECENT = 5
STATS_DAYS = 30


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
    """Pause or activate many agents, after a page that says which; very many become a job."""
    rows = Agent.objects.filter(org=request.access.org_id)
    return bulk_page(request, ACTIONS[action], AgentFilter, rows, job=KIND, back=reverse("agents"))


@require_http_methods(["GET", "POST"])
@operator_page(Permission.AGENT_READ)
def new_agent(request: OrgRequest) -> HttpResponse:
    """Ask for a new agent's name and who shares its memories; a POST makes it."""
    form = NewAgentForm(request.POST if request.method == "POST" else None, initial=DEFAULTS)
    if request.method == "GET":
        return _new(request, form)
    _require_write(request)
    if not form.is_valid():
        return _new(request, form, status=HTTPStatus.BAD_REQUEST)
    org = Organization.objects.get(pk=request.access.org_id)
    try:
        agent = services.create_agent(org=org, actor=request.actor, **form.cleaned_data)
    except ValidationError as error:
        _add_errors(form, error)
        return _new(request, form, status=HTTPStatus.BAD_REQUEST)
    tell(request, f"{agent.name} can be used now.")
    return redirect("agent", agent.pk)


@require_GET
@operator_page(Permission.AGENT_READ)
def agent(request: OrgRequest, agent_id: UUID) -> HttpResponse:
    """Show what one agent learned last and whom it spoke to.

    What its calls cost is counted apart, since there may be millions: by htmx, or on request.
    """
    row = agent_row(get_object_or_404(counted_agents(request.access.org_id), pk=agent_id))
    mine = {"org": request.access.org_id, "agent": row.agent}
    known = Memory.objects.filter(**mine).active().defer("embedding", "terms")
    memories = known.order_by("-created_at", "-pk")[:RECENT]
    sessions = Session.objects.filter(**mine).order_by("-last_turn_at", "-pk")[:RECENT]
    context = {"row": row, "agent": row.agent, "memories": memories, "sessions": sessions}
    if "figures" in request.GET:
        context |= _figures(row.agent)
    return render(request, "agents/agent.html", context)


@require_GET
@operator_page(Permission.AGENT_READ)
def agent_figures(request: OrgRequest, agent_id: UUID) -> HttpResponse:
    """Show what an agent's calls cost and what its memories are good for, for its page."""
    row = _agent(request, agent_id)
    return render(request, "agents/_figures.html", {"agent": row, **_figures(row)})


@require_GET
@operator_page(Permission.AGENT_READ)
def agent_peek(request: OrgRequest, agent_id: UUID) -> HttpResponse:
    """Show the least one wants to know of an agent, beside the list."""
    row = agent_row(get_object_or_404(counted_agents(request.access.org_id), pk=agent_id))
    return render(request, "agents/_peek.html", {"row": row, "agent": row.agent})


@require_http_methods(["GET", "POST"])
@operator_page(Permission.AGENT_READ)
def agent_settings(request: OrgRequest, agent_id: UUID) -> HttpResponse:
    """Show how an agent is set up; a POST changes it."""
    row = _agent(request, agent_id)
    if request.method == "GET":
        return _settings(request, row, AgentSettingsForm.of(row))
    _require_write(request)
    form = AgentSettingsForm.of(row, request.POST)
    if not form.is_valid():
        return _settings(request, row, form, status=HTTPStatus.BAD_REQUEST)
    changes = form.changes()
    version = form.cleaned_data["base_version"]
    try:
        if changes:
            services.update_agent(agent=row, actor=request.actor, base_version=version, **changes)
    except ChangedMeanwhile as error:
        return _conflict(request, agent_id, form, error)
    except DomainError as error:
        return _settings(request, row, form, status=error.status, refusal=error.message)
    except ValidationError as error:
        _add_errors(form, error)
        return _settings(request, row, form, status=HTTPStatus.BAD_REQUEST)
    tell(request, "Saved. It holds from the next request on." if changes else "Nothing to change.")
    return redirect("agent-settings", agent_id)


@dataclass(frozen=True)
class Change:
    """A change of status that another takes back."""

    service: Callable[..., Agent]
    done: str
    undo: str


CHANGES = {
    "pause": Change(services.pause_agent, "is paused: its requests are refused.", "activate"),
    "activate": Change(services.activate_agent, "is served again.", "pause"),
}


@require_POST
@operator_page(Permission.AGENT_READ)
def change_agent(request: OrgRequest, agent_id: UUID, action: str) -> HttpResponse:
    """Pause or activate an agent at once; the notice offers the way back."""
    row, change = _agent(request, agent_id), CHANGES[action]
    _require_write(request)
    try:
        change.service(agent=row, actor=request.actor)
    except DomainError as error:
        form = AgentSettingsForm.of(row)
        return _settings(request, row, form, status=error.status, refusal=error.message)
    undo = reverse(f"{change.undo}-agent", args=[agent_id])
    tell(request, f"{row.name} {change.done}", undo=undo)
    return redirect("agent-settings", agent_id)


@require_http_methods(["GET", "POST"])
@operator_page(Permission.AGENT_READ)
def archive_agent(request: OrgRequest, agent_id: UUID) -> HttpResponse:
    """Say what retiring an agent means; a POST with a reason retires it for good."""
    row = _agent(request, agent_id)
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if request.method == "GET":
        return _archive(request, row, form)
    _require_write(request)
    if not form.is_valid():
        return _archive(request, row, form, status=HTTPStatus.BAD_REQUEST)
    try:
        services.archive_agent(agent=row, actor=request.actor, reason=form.cleaned_data["reason"])
    except DomainError as error:
        return _archive(request, row, form, status=error.status, refusal=error.message)
    tell(request, f"{row.name} is archived. What it learned stays.")
    return redirect("agent", agent_id)


def _figures(row: Agent) -> dict[str, Any]:
    health = memory_health(row, STATS_DAYS)
    ids = {pk for pair in health.closest for pk in (pair.one, pair.other)}
    named = Memory.objects.filter(org=row.org_id).only("content").in_bulk(ids)
    pairs = [
        (named[pair.one], named[pair.other], pair.cosine)
        for pair in health.closest
        if {pair.one, pair.other} <= named.keys()  # unless one was erased this very moment
    ]
    return {"stats": agent_stats(row, STATS_DAYS), "health": health, "pairs": pairs}


def _agent(request: OrgRequest, agent_id: UUID) -> Agent:
    return get_object_or_404(Agent, org=request.access.org_id, pk=agent_id)


def _require_write(request: OrgRequest) -> None:
    if Permission.AGENT_WRITE & ~request.access.permissions:
        raise PermissionDenied


def _new(request: OrgRequest, form: NewAgentForm, *, status: int = HTTPStatus.OK) -> HttpResponse:
    return render(request, "agents/new.html", {"form": form, "scopes": SCOPES}, status=status)


def _conflict(
    request: OrgRequest, agent_id: UUID, form: AgentSettingsForm, error: ChangedMeanwhile
) -> HttpResponse:
    """Keep what the operator changed, on top of what is stored now; show what differs."""
    now = _agent(request, agent_id)
    stored = values_of(now)
    again = AgentSettingsForm.of(now, form.rebased(stored, now.updated_at))
    more = {"conflict": error.message, "theirs": form.differences(stored)}
    return _settings(request, now, again, status=error.status, **more)


def _settings(
    request: OrgRequest,
    row: Agent,
    form: AgentSettingsForm,
    *,
    status: int = HTTPStatus.OK,
    **more: Any,
) -> HttpResponse:
    context = {"agent": row, "form": form, **more}
    return render(request, "agents/settings.html", context, status=status)


def _archive(
    request: OrgRequest, row: Agent, form: ReasonForm, *, status: int = HTTPStatus.OK, **more: Any
) -> HttpResponse:
    """Name what hangs from the agent before it is retired."""
    counted = agent_row(get_object_or_404(counted_agents(request.access.org_id), pk=row.pk))
    tokens = Token.objects.filter(org=request.access.org_id, agent=row, revoked_at=None).count()
    context = {"agent": row, "row": counted, "tokens": tokens, "form": form, **more}
    return render(request, "agents/archive.html", context, status=status)


def _add_errors(form: AgentForm, error: ValidationError) -> None:
    """Show what the service refused beside the field it is about."""
    for name, errors in getattr(error, "error_dict", {"__all__": [error]}).items():
        known = name if name in form.fields else "slug" if "slug" in form.fields else None
        form.add_error(known, errors)
