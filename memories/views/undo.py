"""Taking back, in the console, what one request did."""

from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from ibex.errors import DomainError
from ibex.http import way_back
from ibex.notices import tell
from memories.models import Memory
from memories.steering.undo import undo_changes
from orgs.access import OrgRequest, operator_page
from orgs.permissions import Permission


@require_POST
@operator_page(Permission.MEMORY_WRITE)
def undo(request: OrgRequest, request_id: UUID) -> HttpResponse:
    """Take back what the operator did in one request, and go back to where they were."""
    back = way_back(request.GET.get("next"), reverse("memories"))
    try:
        done = undo_changes(
            org_id=request.access.org_id, request_id=str(request_id), actor=request.actor
        )
    except DomainError as error:
        messages.error(request, error.message)
        return redirect(back)
    memories = "memory is" if done.undone == 1 else "memories are"
    tell(request, f"Undone: {done.undone:,} {memories} as before.")
    if done.left:
        messages.warning(request, f"{done.left:,} were changed since and stay as they are.")
    return redirect(back)


def undo_address(request: OrgRequest, back: str) -> str:
    """Name the address that takes back what this request does, and then leads to `back`."""
    path = reverse("undo-memories", args=[request.actor.request_id])
    return f"{path}?{urlencode({'next': back})}"


def undo_if_changed(request: OrgRequest, before: Memory, after: Memory, back: str) -> str:
    """Do the same if the memory changed; else there is nothing to go back to, and no address."""
    return undo_address(request, back) if after.updated_at > before.updated_at else ""
