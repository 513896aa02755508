"""Choosing an organization, and its overview."""

from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from agents.listing import agent_row, counted_agents
from agents.models import Agent
from directives.models import DirectiveVersion
from ibex.counts import CappedCount, capped
from ibex.demo.services import refusal
from jobs.models import Job
from memories.models import DeadLetter, Memory
from orgs.access import OrgRequest, choose, operator_page, own_page
from orgs.figures import RANGES, read_figures
from orgs.first_run import has_request, hide_setup, read_setup
from orgs.models import Organization
from orgs.permissions import Permission
from orgs.time_range import time_range
from sessions.models import Session

SHOWN = 6
FAILING = [Job.State.FAILED, Job.State.PARTIAL]


@dataclass(frozen=True)
class Totals:
    """How much the organization has of what matters."""

    agents: str
    memories: str
    sessions: str
    pending: str
    quarantined: str
    dead_letters: str


@require_GET
@operator_page(Permission.AGENT_READ)
def overview(request: OrgRequest) -> HttpResponse:
    """Show what happened in a range of time, what happened last, and what is left to set up."""
    org_id = request.access.org_id
    failing = Job.objects.filter(org=org_id, state__in=FAILING)
    agents = counted_agents(org_id).order_by("-created_at", "-pk")[:SHOWN]
    sessions = Session.objects.filter(org=org_id).select_related("agent")
    pushes = DirectiveVersion.objects.filter(org=org_id).select_related("directive__agent")
    context = {
        "totals": _totals(org_id),
        "figures": read_figures(org_id, time_range(request)),
        "ranges": RANGES,
        "setup": read_setup(request),
        "demo_refused": refusal(request.access),
        "proxy_url": settings.PROXY_URL,
        "failing": failing.visible_to(request.actor, request.access.permissions)[:SHOWN],
        "rows": [agent_row(agent) for agent in agents],
        "sessions": sessions.order_by("-created_at", "-pk")[:SHOWN],
        "pushes": pushes.defer("content").order_by("-created_at", "-pk")[:SHOWN],
    }
    return render(request, "orgs/overview.html", context)


@require_GET
@operator_page(Permission.AGENT_READ)
def first_request(request: OrgRequest) -> HttpResponse:
    """Say whether the first request has come; the overview asks every three seconds."""
    context = {"is_connected": has_request(request.access.org_id)}
    return render(request, "orgs/_first_request.html", context)


@require_POST
@operator_page(Permission.AGENT_READ)
def hide_first_run(request: OrgRequest) -> HttpResponse:
    """Leave the list of what is left to set up out of the overview."""
    hide_setup(request)
    return redirect("overview")


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
    waiting = Memory.objects.filter(org=org_id)
    counted: Any = Organization.objects.annotate(
        agents=CappedCount(Agent.objects.filter(org=org_id)),
        memories=CappedCount(Memory.objects.active().filter(org=org_id)),
        sessions=CappedCount(Session.objects.filter(org=org_id)),
        pending=CappedCount(waiting.filter(status=Memory.Status.PENDING_REVIEW)),
        quarantined=CappedCount(waiting.filter(status=Memory.Status.QUARANTINED)),
        dead_letters=CappedCount(DeadLetter.objects.filter(org=org_id).open()),
    )
    org = counted.get(pk=org_id)
    return Totals(*(capped(getattr(org, field.name)) for field in fields(Totals)))
