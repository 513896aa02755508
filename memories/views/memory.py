"""The console's pages of one memory: all that is known of it, and every change to it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from ibex.errors import DomainError
from ibex.forms import ReasonForm
from ibex.http import page_or_fragment, wants_fragment
from ibex.keyset import MalformedCursor, Page
from ibex.notices import tell
from memories import services
from memories.browsing import comparing, detail, raw
from memories.forms import TagForm
from memories.models import Memory, Recall
from memories.views.undo import undo_if_changed
from orgs.access import OrgRequest, operator_page
from orgs.permissions import Permission


@require_GET
@operator_page(Permission.MEMORY_READ)
def memory(request: OrgRequest, memory_id: UUID) -> HttpResponse:
    """Show one memory with where it came from, how it changed and when it was used."""
    return show(request, find(request, memory_id))


@require_GET
@operator_page(Permission.MEMORY_READ)
def memory_peek(request: OrgRequest, memory_id: UUID) -> HttpResponse:
    """Show the gist of one memory beside a list."""
    row = find(request, memory_id)
    context = {
        "memory": row,
        "agent": row.agent,
        "sources": detail.sources(row)[:1],
        "versions": detail.versions(row)[:2],
    }
    return render(request, "memories/_memory_peek.html", context)


@dataclass(frozen=True)
class Change:
    """One thing an operator can do to a memory, with a reason."""

    service: Callable[..., Memory]
    needs: Permission
    done: str


CHANGES = {
    "archive": Change(services.archive_memory, Permission.MEMORY_WRITE, "Archived."),
    "restore": Change(services.restore_memory, Permission.MEMORY_WRITE, "In use again."),
    "quarantine": Change(
        services.quarantine_memory, Permission.MEMORY_REVIEW, "Quarantined until it is reviewed."
    ),
    "accept": Change(services.accept_memory, Permission.MEMORY_REVIEW, "Accepted."),
    "delete": Change(
        services.delete_memory, Permission.MEMORY_DELETE, "Deleted. It can be restored."
    ),
}
MARKS: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "pin": ({"pinned": True}, "Pinned: it is a candidate for every prompt."),
    "unpin": ({"pinned": False}, "Not pinned any more."),
}
RATINGS = ("positive", "negative", "neutral")


@require_POST
@operator_page(Permission.MEMORY_READ)
def change_memory(request: OrgRequest, memory_id: UUID, action: str) -> HttpResponse:
    """Archive, restore, quarantine, accept or delete a memory, with a reason."""
    row, change, form = find(request, memory_id), CHANGES[action], ReasonForm(request.POST)
    require(request, change.needs)
    if not form.is_valid():
        return show(request, row, form=form, status=HTTPStatus.BAD_REQUEST)
    reason = form.cleaned_data["reason"]
    return _carry_out(request, row, change.done, change.service, reason=reason)


@require_POST
@operator_page(Permission.MEMORY_READ)
def mark_memory(request: OrgRequest, memory_id: UUID, action: str) -> HttpResponse:
    """Pin a memory, or no longer."""
    row, (values, done) = find(request, memory_id), MARKS[action]
    require(request, Permission.MEMORY_WRITE)
    return _carry_out(request, row, done, services.pin_memory, **values)


@require_POST
@operator_page(Permission.MEMORY_READ)
def tag_memory(request: OrgRequest, memory_id: UUID) -> HttpResponse:
    """Add tags to a memory, or take them away."""
    row, form = find(request, memory_id), TagForm(request.POST)
    require(request, Permission.MEMORY_WRITE)
    if not form.is_valid():
        return show(request, row, tag_form=form, status=HTTPStatus.BAD_REQUEST)
    return _carry_out(request, row, "Tagged.", services.tag_memory, **form.cleaned_data)


@require_POST
@operator_page(Permission.MEMORY_READ)
def rate_memory(request: OrgRequest, memory_id: UUID) -> HttpResponse:
    """Say whether a memory helped; it moves its usefulness."""
    row, rating = find(request, memory_id), request.POST.get("rating", "")
    require(request, Permission.MEMORY_WRITE)
    if rating not in RATINGS:
        words = "Say positive, negative or neutral."
        return show(request, row, refusal=words, status=HTTPStatus.BAD_REQUEST)
    return _carry_out(request, row, "Noted.", services.record_feedback, rating=rating)


def find(request: OrgRequest, memory_id: UUID) -> Memory:
    """Return the memory, or 404: another organization's is missing."""
    rows = Memory.objects.select_related("agent").prefetch_related("labels").defer("terms")
    return get_object_or_404(rows, org=request.access.org_id, pk=memory_id)


def require(request: OrgRequest, needs: Permission) -> None:
    """Refuse an operator whose role lacks a permission."""
    if needs & ~request.access.permissions:
        raise PermissionDenied


def show(
    request: OrgRequest, row: Memory, *, status: int = HTTPStatus.OK, **more: Any
) -> HttpResponse:
    """Render all that is known of a memory; htmx gets it without the page around it."""
    versions = detail.versions(row)
    context = {
        "memory": row,
        "agent": row.agent,
        "sources": detail.sources(row),
        "versions": versions,
        "comparison": comparing.chosen(row, request.GET.get("base"), request.GET.get("head")),
        "recalls": _recalls(request, row),
        "edges": list(detail.edges(row)),
        "neighbours": detail.neighbours(row),
        "raw": raw.document(row) if request.GET.get("raw") else None,
        **more,
    }
    template = page_or_fragment(request, "memories/memory.html", "memories/_memory.html")
    return render(request, template, context, status=status)


def _recalls(request: OrgRequest, row: Memory) -> Page[Recall]:
    """Read the page of the recall log that the URL names; a cursor of none is a missing page."""
    try:
        return detail.recalls(row, request.GET.get("recalls") or None)
    except MalformedCursor:
        raise Http404 from None


def _carry_out(
    request: OrgRequest, row: Memory, done: str, service: Callable[..., Memory], **values: Any
) -> HttpResponse:
    """Change a memory and show it as it stands then; say why when it cannot be changed."""
    try:
        changed = service(memory=row, actor=request.actor, **values)
    except DomainError as error:
        return show(request, row, refusal=error.message, status=error.status)
    back = reverse("memory", args=[row.pk])
    tell(request, done, undo=undo_if_changed(request, row, changed, back))
    if wants_fragment(request):
        return show(request, find(request, row.pk))
    return redirect("memory", row.pk)
