"""The console's pages of directives."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from agents.models import Agent
from directives.forms import NEVER_PUSHED, DirectiveForm
from directives.models import MAX_BYTES, Directive, DirectiveVersion
from directives.services import push_directive
from ibex.differences import Piece, word_changes
from ibex.errors import DomainError
from ibex.http import read_page
from orgs.access import OrgRequest, operator_page
from orgs.models import AuditEvent
from orgs.permissions import Permission

MAX_VERSIONS = 50
MAX_COMPARED = 10


@dataclass(frozen=True)
class Version:
    """One version in the list, who pushed it, and what it changed; None is not compared."""

    row: DirectiveVersion
    author: str
    changes: list[Piece] | None

    @property
    def size(self) -> int:
        """The bytes of its text."""
        return len(self.row.content.encode())


@require_GET
@operator_page(Permission.DIRECTIVE_READ)
def directives(request: OrgRequest) -> HttpResponse:
    """List the agents with the version each of them runs."""
    agents = Agent.objects.filter(org=request.access.org_id)
    page = read_page(request, agents.select_related("directive__active_version"))
    return render(request, "directives/directives.html", {"page": page})


@require_http_methods(["GET", "POST"])
@operator_page(Permission.DIRECTIVE_READ)
def directive(request: OrgRequest, agent_id: UUID) -> HttpResponse:
    """Show an agent's directive and its versions; a POST makes the next one."""
    agent = get_object_or_404(Agent, org=request.access.org_id, pk=agent_id)
    if request.method == "POST":
        return _push(request, agent)
    row = Directive.objects.filter(agent=agent).select_related("active_version").first()
    return _page(request, agent, row, DirectiveForm(initial=_initial(request, row)))


def _push(request: OrgRequest, agent: Agent) -> HttpResponse:
    """Make a new version, unless another was pushed since the operator began."""
    if Permission.DIRECTIVE_PUSH & ~request.access.permissions:
        raise PermissionDenied
    Agent.objects.select_for_update().get(pk=agent.pk)  # one push at a time
    row = Directive.objects.filter(agent=agent).select_related("active_version").first()
    form = DirectiveForm(request.POST)
    if not form.is_valid():
        return _page(request, agent, row, form, status=HTTPStatus.BAD_REQUEST)
    said = form.cleaned_data
    if said["base_version"] != _running(row):
        return _conflict(request, agent, row, said)
    try:
        version = push_directive(
            agent=agent,
            content=said["content"],
            actor=request.actor,
            reason=said["reason"],
            injection_mode=said["injection_mode"],
        )
    except DomainError as error:
        form.add_error("content", error.message)
        return _page(request, agent, row, form, status=error.status)
    messages.success(request, f"Version {version.number} is active from the next request on.")
    return redirect("agent-directive", agent.pk)


def _conflict(
    request: OrgRequest, agent: Agent, row: Directive | None, said: dict[str, Any]
) -> HttpResponse:
    """Keep the operator's text, show the other beside it; pushing again replaces that one."""
    theirs = row.active_version.content if row and row.active_version else ""
    form = DirectiveForm(initial={**said, "base_version": _running(row)})
    conflict = {
        "began_from": said["base_version"],
        "theirs": theirs,
        "changes": word_changes(theirs, said["content"]),
    }
    return _page(request, agent, row, form, status=HTTPStatus.CONFLICT, conflict=conflict)


def _page(
    request: OrgRequest,
    agent: Agent,
    row: Directive | None,
    form: DirectiveForm,
    *,
    status: int = HTTPStatus.OK,
    **more: Any,
) -> HttpResponse:
    context = {
        "agent": agent,
        "directive": row,
        "form": form,
        "max_bytes": MAX_BYTES,
        "versions": _shown(row),
        **more,
    }
    return render(request, "directives/directive.html", context, status=status)


def _initial(request: OrgRequest, row: Directive | None) -> dict[str, Any]:
    """Begin from the running version, or from the older one that the URL names."""
    running = row.active_version if row else None
    number = request.GET.get("from", "")
    older = _versions(row).filter(number=int(number)).first() if number.isdecimal() else None
    start = older or running
    return {
        "content": start.content if start else "",
        "injection_mode": row.injection_mode if row else Directive.InjectionMode.SYSTEM_FIRST,
        "base_version": _running(row),
        "copied_from": older.number if older else None,
    }


def _running(row: Directive | None) -> int:
    return row.active_version.number if row and row.active_version else NEVER_PUSHED


def _versions(row: Directive | None) -> QuerySet[DirectiveVersion]:
    return (
        DirectiveVersion.objects.filter(directive=row) if row else DirectiveVersion.objects.none()
    )


def _shown(row: Directive | None) -> list[Version]:
    """Return the latest versions; the latest few are compared with the one before each."""
    if row is None:
        return []
    rows = list(
        _versions(row).select_related("rolled_back_from").order_by("-number")[:MAX_VERSIONS]
    )
    pushes = AuditEvent.objects.filter(
        org_id=row.org_id, target_id=row.pk, action="directive.push"
    ).values_list("after", "actor_label")
    authors = {(after or {}).get("number"): label for after, label in pushes[:MAX_VERSIONS]}
    older = [*rows[1:], None]
    return [
        Version(new, authors.get(new.number, ""), _changes(old, new) if n < MAX_COMPARED else None)
        for n, (new, old) in enumerate(zip(rows, older, strict=True))
    ]


def _changes(old: DirectiveVersion | None, new: DirectiveVersion) -> list[Piece] | None:
    return word_changes(old.content, new.content) if old else None
