"""The console's page that copies a version to another agent, as one's own draft there."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Exists, OuterRef, QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from agents.models import Agent
from directives import services
from directives.editing import mode_of, move, own_draft, with_directives
from directives.errors import DraftConflict
from directives.forms import CopyToAgentForm, FindAgentForm
from directives.history import find_version
from directives.models import DirectiveDraft, DirectiveVersion, holder
from directives.views import find_agent
from ibex.errors import DomainError
from ibex.line_differences import line_changes
from orgs.access import OrgRequest, operator_page
from orgs.permissions import Permission

MAX_AGENTS = 200
"""Of a page of the agents to choose from; with more of them one looks for a name."""


@require_http_methods(["GET", "POST"])
@operator_page(Permission.DIRECTIVE_WRITE)
def copy(request: OrgRequest, agent_id: UUID, number: int) -> HttpResponse:
    """Choose another agent: one's own draft there becomes this version, and its editor opens.

    A draft that is there already and reads otherwise is not replaced unasked.
    """
    agent = find_agent(request, agent_id)
    row = find_version(agent, number)
    if request.method == "GET":
        return _choose(request, agent, row)
    form = CopyToAgentForm(request.POST)
    target = _others(request, agent).filter(pk=form.agent_id).first() if form.is_valid() else None
    if target is None:
        words = "Choose one of the agents that are not archived."
        return _choose(request, agent, row, status=HTTPStatus.BAD_REQUEST, refusal=words)
    try:
        services.copy_version(version=row, to=target, actor=request.actor, **form.said())
    except DraftConflict as error:
        mine = own_draft(target, request.actor)
        more = _replaced(target, mine, row) if mine else {"refusal": error.message}
        return _choose(request, agent, row, status=error.status, **more)
    except DomainError as error:
        return _choose(request, agent, row, status=error.status, refusal=error.message)
    messages.success(
        request, f"Your draft for {target.name} begins with version {row.number} of {agent.name}."
    )
    return redirect("agent-directive", target.pk)


def _others(request: OrgRequest, agent: Agent) -> QuerySet[Any]:
    """Return the agents that a version of `agent` can be copied to."""
    rows = with_directives(request.access.org_id).exclude(status=Agent.Status.ARCHIVED)
    return rows.exclude(pk=agent.pk)


def _choose(
    request: OrgRequest,
    agent: Agent,
    row: DirectiveVersion,
    *,
    status: int = HTTPStatus.OK,
    **more: Any,
) -> HttpResponse:
    mine = DirectiveDraft.objects.filter(agent=OuterRef("pk"), **holder(request.actor))
    found = _others(request, agent).select_related(None).annotate(has_draft=Exists(mine))
    asked = FindAgentForm(request.GET)
    if not asked.is_valid():
        raise Http404
    name = asked.cleaned_data["name"]
    named = found.filter(name__icontains=name) if name else found
    agents = list(named.order_by("name", "pk")[: MAX_AGENTS + 1])
    context = {
        "agent": agent,
        "version": row,
        "agents": agents[:MAX_AGENTS],
        "name": name,
        "searches": bool(name) or len(agents) > MAX_AGENTS,
        **more,
    }
    return render(request, "directives/copy.html", context, status=status)


def _replaced(target: Agent, mine: DirectiveDraft, row: DirectiveVersion) -> dict[str, Any]:
    """Put one's own draft there beside what would replace it; the form names that save."""
    return {
        "target": target,
        "mine": mine,
        "difference": line_changes(mine.content, row.content),
        "moved": move(mode_of(target, mine), row.injection_mode),
    }
