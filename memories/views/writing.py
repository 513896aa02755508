"""The console's forms that write a memory, and that write it anew."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from agents.models import Agent
from ibex.differences import word_changes
from ibex.errors import DomainError
from ibex.tenancy import tenant
from memories import services
from memories.errors import InvalidMemory, MemoryChangedMeanwhile
from memories.forms import EditMemoryForm, NewMemoryForm
from memories.models import Memory
from memories.services import Outcome
from memories.views.memory import find
from memories.writing.history import latest_number
from orgs.access import OrgRequest, operator_page
from orgs.permissions import Permission

WRITTEN = {
    Outcome.CREATED: "Remembered.",
    Outcome.DUPLICATE: "The agent knows exactly this already: here it is.",
    Outcome.MERGED: "The agent knows this already in other words: here it is.",
    Outcome.SUPERSEDED: "Remembered. What it replaces is no longer used.",
    Outcome.OUTDATED: "Kept as history: a later value is known already.",
    Outcome.PENDING_REVIEW: "It contradicts another memory and waits for review.",
    Outcome.QUARANTINED: "It reads like an instruction to the model and waits for review.",
}


@require_http_methods(["GET", "POST"])
@operator_page(Permission.MEMORY_WRITE, enters_tenant=False)
def new_memory(request: OrgRequest) -> HttpResponse:
    """Write something that an agent is to remember. The embedder is asked without a transaction."""
    with tenant(request.access.org_id):
        form = _new_form(request)
        if request.method != "POST" or not form.is_valid():
            status = HTTPStatus.BAD_REQUEST if form.is_bound else HTTPStatus.OK
            return render(request, "memories/new_memory.html", {"form": form}, status=status)
    try:
        written = services.write_memory(actor=request.actor, **form.values())
    except DomainError as error:
        form.refuse(getattr(error, "field", None), error.message)
        with tenant(request.access.org_id):
            return render(request, "memories/new_memory.html", {"form": form}, status=error.status)
    messages.success(request, WRITTEN[written.outcome])
    return redirect("memory", written.memory.pk)


@require_http_methods(["GET", "POST"])
@operator_page(Permission.MEMORY_WRITE, enters_tenant=False)
def edit_memory(request: OrgRequest, memory_id: UUID) -> HttpResponse:
    """Change a memory with a reason; who edits an old version keeps their text and sees the new."""
    with tenant(request.access.org_id):
        row = find(request, memory_id)
        base = {"base_version": latest_number(row)}
    form = EditMemoryForm(request.POST or None, memory=row, initial=base)
    if not form.is_valid():
        return _edit_page(request, row, form)
    said = form.cleaned_data
    try:
        services.edit_memory(
            memory=row,
            actor=request.actor,
            reason=said["reason"],
            base_version=said["base_version"],
            **form.changes(),
        )
    except MemoryChangedMeanwhile as conflict:
        return _conflict(request, row, form, conflict)
    except DomainError as error:
        form.refuse(getattr(error, "field", None), error.message)
        status = HTTPStatus.BAD_REQUEST if isinstance(error, InvalidMemory) else error.status
        return _edit_page(request, row, form, status)
    messages.success(request, "Saved.")
    return redirect("memory", row.pk)


def _new_form(request: OrgRequest) -> NewMemoryForm:
    """Offer the organization's agents; `?agent=` chooses one."""
    form = NewMemoryForm(
        request.POST if request.method == "POST" else None,
        initial={"agent": request.GET.get("agent")},
    )
    agents = Agent.objects.filter(org=request.access.org_id).exclude(status=Agent.Status.ARCHIVED)
    form.fields["agent"].queryset = agents.order_by("name")  # type: ignore[attr-defined]
    return form


def _conflict(
    request: OrgRequest, row: Memory, form: EditMemoryForm, conflict: MemoryChangedMeanwhile
) -> HttpResponse:
    """Keep what the operator wrote, show what stands there now; saving again replaces that."""
    with tenant(request.access.org_id):
        now = find(request, row.pk)
    kept = request.POST.copy()
    kept["base_version"] = str(conflict.latest)
    again = EditMemoryForm(kept, memory=now)
    again.is_valid()
    theirs = word_changes(now.content, form.cleaned_data["content"])
    more = {"refusal": conflict.message, "theirs": theirs}
    return _edit_page(request, now, again, conflict.status, **more)


def _edit_page(
    request: OrgRequest,
    row: Memory,
    form: EditMemoryForm,
    status: int | None = None,
    **more: Any,
) -> HttpResponse:
    context = {"memory": row, "agent": row.agent, "form": form, **more}
    if status is None:
        status = HTTPStatus.BAD_REQUEST if form.is_bound else HTTPStatus.OK
    with tenant(request.access.org_id):
        return render(request, "memories/edit_memory.html", context, status=status)
