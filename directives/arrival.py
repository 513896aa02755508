"""The console's pages of a push: how it arrives at each proxy, and telling them again."""

from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST
from django.views.decorators.vary import vary_on_headers

from agents.models import Agent
from directives import services
from directives.editing import active_version
from directives.forms import RollBackForm
from directives.history import find_version
from directives.models import DirectiveVersion
from directives.pushes import push_status
from directives.views import find_agent
from ibex.errors import DomainError
from ibex.http import page_or_fragment
from orgs.access import OrgRequest, operator_page
from orgs.permissions import Permission


@require_GET
@vary_on_headers("HX-Request", "HX-Current-URL")
@operator_page(Permission.DIRECTIVE_READ)
def push(request: OrgRequest, agent_id: UUID, number: int) -> HttpResponse:
    """Show which proxies run a version, since when; htmx gets the table."""
    agent = find_agent(request, agent_id)
    return _push(request, agent, find_version(agent, number))


@require_POST
@operator_page(Permission.DIRECTIVE_PUSH)
def retry(request: OrgRequest, agent_id: UUID, number: int) -> HttpResponse:
    """Tell every proxy of the active version again, when some have not acknowledged it."""
    agent = find_agent(request, agent_id)
    row = find_version(agent, number)
    try:
        behind = services.retry_push(agent=agent, version=row, actor=request.actor)
    except DomainError as error:
        return _push(request, agent, row, status=error.status, refusal=error.message)
    who = "1 had not acknowledged it" if behind == 1 else f"{behind} had not acknowledged it"
    messages.success(request, f"Every proxy is told of version {row.number} again: {who}.")
    return redirect("agent-directive-push", agent.pk, row.number)


def _push(
    request: OrgRequest,
    agent: Agent,
    row: DirectiveVersion,
    *,
    status: int = HTTPStatus.OK,
    **more: Any,
) -> HttpResponse:
    """Show the push; the table on another page, which htmx renews too, tells nobody again."""
    before = DirectiveVersion.objects.of_agent(agent).filter(number=row.number - 1).first()
    shown = request.headers.get("HX-Current-URL")
    context = {
        "agent": agent,
        "active": active_version(agent),
        "version": row,
        "before": before,
        "push": push_status(agent, row),
        "retries": shown is None or urlsplit(shown).path == request.path,
        "form": RollBackForm(initial={"base_version": row.number}),
        **more,
    }
    template = page_or_fragment(request, "directives/push.html", "directives/_push.html")
    return render(request, template, context, status=status)
