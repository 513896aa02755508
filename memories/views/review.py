"""The review inbox of the console: what waits, and one decision after the other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from ibex.errors import DomainError
from ibex.http import page_or_fragment, read_page, wants_fragment
from ibex.notices import tell
from memories.browsing.reviewing import cases
from memories.forms import MAX_REASON, DatesForm
from memories.models import Memory, MemoryQuerySet
from memories.steering import review
from memories.views.memory import find, require
from memories.views.undo import undo_address
from orgs.access import OrgRequest, operator_page
from orgs.permissions import Permission

CASES = 10


@dataclass(frozen=True)
class Decision:
    """One way to decide about a memory that waits."""

    service: Callable[..., Memory]
    done: str


DECISIONS = {
    "keep": Decision(review.keep_memory, "Kept: it is used from now on."),
    "replace": Decision(review.replace_with_memory, "It replaces what it contradicts."),
    "keep-both": Decision(review.keep_both, "Both are kept, each for its time."),
    "reject": Decision(review.reject_memory, "Rejected. It can be restored."),
}


@require_GET
@operator_page(Permission.MEMORY_READ)
def inbox(request: OrgRequest) -> HttpResponse:
    """List what waits for somebody to decide, the newest first."""
    return _page(request)


@require_POST
@operator_page(Permission.MEMORY_READ)
def decide(request: OrgRequest, memory_id: UUID, decision: str) -> HttpResponse:
    """Decide about one memory; htmx gets the inbox as it is then."""
    row, chosen = find(request, memory_id), DECISIONS[decision]
    require(request, Permission.MEMORY_REVIEW)
    values: dict[str, Any] = {"reason": _reason(request)}
    if decision == "keep-both":
        form = DatesForm(request.POST)
        if not form.is_valid():
            words = "Say until when the one held, and from when on the other one does."
            return _page(request, refusal=words, status=HTTPStatus.BAD_REQUEST)
        values |= form.cleaned_data
    try:
        chosen.service(memory=row, actor=request.actor, **values)
    except DomainError as error:
        return _page(request, refusal=error.message, status=error.status)
    back = reverse("review") + _place(request)
    tell(request, chosen.done, undo=undo_address(request, back))
    return _page(request) if wants_fragment(request) else redirect(back)


def _reason(request: OrgRequest) -> str:
    """Return why, where somebody said it; the database takes no NUL."""
    return request.POST.get("reason", "").replace("\0", "").strip()[:MAX_REASON]


def _place(request: OrgRequest) -> str:
    """Write where in the inbox the operator is, as the query of an address."""
    said = {name: request.GET[name] for name in ("cursor", "focus") if request.GET.get(name)}
    return f"?{urlencode(said)}" if said else ""


def _asked_for(
    request: OrgRequest, waiting: MemoryQuerySet, shown: Sequence[Memory]
) -> list[Memory]:
    """Return the case that a link asked for when the first page does not reach it."""
    try:
        focus = UUID(request.GET.get("focus", ""))
    except ValueError:
        return []
    is_shown = "cursor" in request.GET or focus in {row.pk for row in shown}
    return [] if is_shown else list(waiting.filter(pk=focus))


def _page(request: OrgRequest, *, status: int = HTTPStatus.OK, **more: Any) -> HttpResponse:
    rows = Memory.objects.filter(org=request.access.org_id).select_related("agent")
    waiting = review.waiting(rows.defer("embedding", "terms"))
    page = read_page(request, waiting, limit=CASES)
    context = {
        "cases": cases([*_asked_for(request, waiting, page.items), *page.items]),
        "page": page,
        "list_path": reverse("review"),
        "place": _place(request),
        "focus": request.GET.get("focus"),
        "dates": DatesForm(),
        **more,
    }
    template = page_or_fragment(request, "memories/review.html", "memories/_review.html")
    return render(request, template, context, status=status)
