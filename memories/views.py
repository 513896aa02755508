"""The console's pages of memories."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST
from django.views.decorators.vary import vary_on_headers

from agents.models import Agent
from ibex.errors import DomainError
from ibex.forms import ReasonForm
from ibex.http import address, page_or_fragment, read_page, wants_fragment
from ibex.tenancy import tenant
from memories import services
from memories.browsing import detail
from memories.browsing.finding import query_vector
from memories.browsing.listing import plain_rows, ranked_rows
from memories.filters import MAX_AGENTS, MemoryFilterForm
from memories.models import Memory, MemoryQuerySet
from memories.retrieval import Vector
from orgs.access import OrgRequest, operator_page
from orgs.permissions import Permission


@require_GET
@vary_on_headers("HX-Request")
@operator_page(Permission.MEMORY_READ, enters_tenant=False)
def memories(request: OrgRequest) -> HttpResponse:
    """List what the organization's agents have learned; htmx gets only the results."""
    with tenant(request.access.org_id):
        agents = list(Agent.objects.filter(org=request.access.org_id).order_by("name")[:MAX_AGENTS])
    form = MemoryFilterForm(request.GET, agents=agents)
    return _list(request, form, form.chosen_agent, "memories/memories.html")


@require_GET
@vary_on_headers("HX-Request")
@operator_page(Permission.MEMORY_READ, enters_tenant=False)
def agent_memories(request: OrgRequest, agent_id: UUID) -> HttpResponse:
    """List what one agent has learned; htmx gets only the results."""
    with tenant(request.access.org_id):
        agent = get_object_or_404(Agent, org=request.access.org_id, pk=agent_id)
    form = MemoryFilterForm(request.GET)
    return _list(request, form, agent, "memories/agent_memories.html", agent=agent)


@require_GET
@operator_page(Permission.MEMORY_READ)
def memory(request: OrgRequest, memory_id: UUID) -> HttpResponse:
    """Show one memory with where it came from, how it changed and when it was used."""
    return _detail(request, _memory(request, memory_id))


@dataclass(frozen=True)
class Change:
    """One thing an operator can do to a memory."""

    service: Callable[..., Memory]
    needs: Permission
    done: str


CHANGES = {
    "archive": Change(services.archive_memory, Permission.MEMORY_WRITE, "Archived."),
    "restore": Change(services.restore_memory, Permission.MEMORY_WRITE, "In use again."),
    "accept": Change(services.accept_memory, Permission.MEMORY_REVIEW, "Accepted."),
    "delete": Change(
        services.delete_memory, Permission.MEMORY_DELETE, "Deleted. It can be restored."
    ),
}


@require_POST
@operator_page(Permission.MEMORY_READ)
def change_memory(request: OrgRequest, memory_id: UUID, action: str) -> HttpResponse:
    """Archive, restore, accept or delete a memory, with a reason."""
    row, change, form = _memory(request, memory_id), CHANGES[action], ReasonForm(request.POST)
    if change.needs & ~request.access.permissions:
        raise PermissionDenied
    if not form.is_valid():
        return _detail(request, row, form=form, status=HTTPStatus.BAD_REQUEST)
    try:
        change.service(memory=row, actor=request.actor, reason=form.cleaned_data["reason"])
    except DomainError as error:
        return _detail(request, row, refusal=error.message, status=error.status)
    messages.success(request, change.done)
    if wants_fragment(request):
        return _detail(request, _memory(request, memory_id))
    return redirect("memory", memory_id)


def _list(
    request: OrgRequest, form: MemoryFilterForm, chosen: Agent | None, page: str, **more: Any
) -> HttpResponse:
    """Ask the embedder first, without a transaction; then list inside the tenant."""
    org_id = request.access.org_id
    ranking = chosen if form.is_ranked else None
    vector = query_vector(org_id, form.words, form.search_mode) if ranking else None
    with tenant(org_id):
        found = Memory.objects.filter(org=org_id).select_related("agent")
        if "agent" in more:
            found = found.filter(agent=more["agent"])
        results = _results(request, form, ranking, form.narrow(found), vector)
        template = page_or_fragment(request, page, "memories/_results.html")
        response = render(request, template, {"form": form, **more, **results})
    if wants_fragment(request):
        response["HX-Push-Url"] = address(request)
    return response


def _results(
    request: OrgRequest,
    form: MemoryFilterForm,
    ranking: Agent | None,
    found: MemoryQuerySet,
    vector: Vector | None,
) -> dict[str, Any]:
    """Rank by relevance when words are looked for in one agent; else list the newest first."""
    if ranking:
        rows, degraded = ranked_rows(ranking, found, form, vector)
        return {"rows": rows, "is_ranked": True, "is_degraded": degraded, "ranking": ranking}
    page = read_page(request, form.containing(found))
    return {"rows": plain_rows(page.items, form.words), "page": page, "is_ranked": False}


def _memory(request: OrgRequest, memory_id: UUID) -> Memory:
    rows = Memory.objects.select_related("agent").prefetch_related("labels")
    return get_object_or_404(rows, org=request.access.org_id, pk=memory_id)


def _detail(
    request: OrgRequest, row: Memory, *, status: int = HTTPStatus.OK, **more: Any
) -> HttpResponse:
    context = {
        "memory": row,
        "agent": row.agent,
        "sources": detail.sources(row),
        "versions": detail.versions(row),
        "recalls": detail.recalls(row),
        "edges": list(detail.edges(row)),
        **more,
    }
    template = page_or_fragment(request, "memories/memory.html", "memories/_memory.html")
    return render(request, template, context, status=status)
