"""The console's lists of memories: by time, by relevance, and many of them changed at once."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from agents.models import Agent
from ibex.bulk import bulk_bar, bulk_page
from ibex.http import render_list
from ibex.tenancy import tenant
from memories.browsing.finding import query_vector
from memories.browsing.listing import plain_rows, ranked_rows, sorted_page
from memories.bulk import ACTIONS
from memories.filters import MAX_FOUND, SORTS, MemoryFilter
from memories.jobs import KIND
from memories.models import Memory
from memories.retrieval import Vector
from memories.views.undo import undo_address
from orgs.access import OrgRequest, operator_page
from orgs.permissions import Permission

SORT_CHOICES = [("", "Best match"), *SORTS]
RANKED = (
    f"A search by relevance shows the {MAX_FOUND} memories that fit best, not all that match: tick "
    "rows, or look for the words alone."
)


@require_GET
@operator_page(Permission.MEMORY_READ, enters_tenant=False)
def memories(request: OrgRequest) -> HttpResponse:
    """List what the organization's agents have learned; htmx gets only the results."""
    return _list(request, request.GET, "memories/memories.html")


@require_GET
@operator_page(Permission.MEMORY_READ, enters_tenant=False)
def agent_memories(request: OrgRequest, agent_id: UUID) -> HttpResponse:
    """List what one agent has learned; htmx gets only the results."""
    with tenant(request.access.org_id):
        agent = get_object_or_404(Agent, org=request.access.org_id, pk=agent_id)
    asked = request.GET.copy()
    asked["agent"] = str(agent_id)
    return _list(request, asked, "memories/agent_memories.html", agent=agent)


@require_POST
@operator_page(Permission.MEMORY_READ)
def memories_bulk(request: OrgRequest, action: str) -> HttpResponse:
    """Archive, restore, tag or delete many memories, after a page that says which."""
    return bulk_page(
        request,
        ACTIONS[action],
        MemoryFilter,
        Memory.objects.filter(org=request.access.org_id).defer("embedding", "terms"),
        job=KIND,
        back=reverse("memories"),
        undo=undo_address,
    )


def _list(
    request: OrgRequest, asked: QueryDict, page: str, agent: Agent | None = None
) -> HttpResponse:
    """Ask the embedder first, without a transaction; then list inside the tenant."""
    org_id = request.access.org_id
    vector = None
    if asked.get("q"):
        with tenant(org_id):
            filters = _filters(asked, org_id, agent)
            is_ranked = bool(filters.overseen)
        if is_ranked:
            vector = query_vector(org_id, filters.sought, filters.search_mode)
    with tenant(org_id):
        filters = _filters(asked, org_id, agent)
        context = {"agent": agent, "sorts": SORT_CHOICES, **_results(request, filters, vector)}
        return render_list(request, page, "memories/_results.html", filters, context)


def _filters(asked: QueryDict, org_id: UUID, agent: Agent | None) -> MemoryFilter:
    found = Memory.objects.filter(org=org_id).select_related("agent")
    filters = MemoryFilter(asked, found.defer("embedding", "terms"), org_id=org_id)
    filters.fixed = frozenset({"agent"}) if agent else frozenset()
    return filters


def _results(request: OrgRequest, filters: MemoryFilter, vector: Vector | None) -> dict[str, Any]:
    """Rank by relevance when words are looked for; else sort as asked."""
    urls = {reverse(f"{name}-memories"): action for name, action in ACTIONS.items()}
    is_ranked = bool(filters.overseen)
    rows = ranked_rows(filters, vector) if is_ranked else []
    bar = bulk_bar(request, filters, urls, why_not_all=RANKED if is_ranked else "")
    if is_ranked:
        degraded = vector is None and filters.search_mode != "keyword"
        return {"rows": rows, "bulk": bar, "is_ranked": True, "is_degraded": degraded}
    page = sorted_page(request, filters)
    return {"rows": plain_rows(page.items, filters.sought), "page": page, "bulk": bar}
