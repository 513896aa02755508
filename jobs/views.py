"""The console's pages of background work, and the bell in its header."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST
from django.views.decorators.vary import vary_on_headers

from ibex.errors import DomainError
from ibex.forms import ReasonForm
from ibex.http import address, page_or_fragment, read_page, render_list, wants_fragment
from jobs import services
from jobs.filters import JobFilter
from jobs.models import Job, JobQuerySet
from jobs.registry import find_kind
from orgs.access import OrgRequest, operator_page
from orgs.permissions import Permission

OWN = Permission(0)
MAX_UNREAD = 99


@require_GET
@operator_page(OWN)
def jobs(request: OrgRequest) -> HttpResponse:
    """List the background work that the operator may see; htmx gets only the results."""
    filters = JobFilter(request.GET, _visible(request), org_id=request.access.org_id)
    page = read_page(request, filters.rows)
    context = {
        "page": page,
        "unread": _unread(request),
        "is_moving": any(job.is_unfinished for job in page.items),
        "here": address(request),
    }
    return render_list(request, "jobs/jobs.html", "jobs/_results.html", filters, context)


@require_GET
@vary_on_headers("HX-Request")
@operator_page(OWN)
def job(request: OrgRequest, job_id: UUID) -> HttpResponse:
    """Show one job; that its owner has looked at its end takes it off the bell."""
    return _detail(request, _job(request, job_id))


@require_GET
@operator_page(OWN)
def bell(request: OrgRequest) -> HttpResponse:
    """Show how many of the operator's jobs have ended unseen; every page asks for it."""
    return render(request, "jobs/_bell.html", {"unread": _unread(request), "is_asked": True})


@require_POST
@operator_page(OWN)
def read_all(request: OrgRequest) -> HttpResponse:
    """Take everything off the operator's bell."""
    services.mark_seen(org_id=request.access.org_id, operator_id=request.user.pk)
    return redirect("jobs")


@require_POST
@operator_page(OWN)
def cancel_job(request: OrgRequest, job_id: UUID) -> HttpResponse:
    """Stop a job."""
    return _change(request, job_id, services.cancel_job, "It stops.")


@require_POST
@operator_page(OWN)
def retry_job(request: OrgRequest, job_id: UUID) -> HttpResponse:
    """Have a job tried again."""
    held = request.access.permissions
    return _change(request, job_id, services.retry_job, "It is tried again.", held=held)


def _change(
    request: OrgRequest, job_id: UUID, change: Any, done: str, **options: Any
) -> HttpResponse:
    row, form = _job(request, job_id), ReasonForm({"reason": request.POST.get("reason") or "-"})
    if not form.is_valid():
        return _detail(request, row, refusal="A reason has at most 500 characters.", status=400)
    reason = str(request.POST.get("reason", "")).strip()
    try:
        change(job=row, actor=request.actor, reason=reason, **options)
    except DomainError as error:
        return _detail(request, _job(request, job_id), refusal=error.message, status=error.status)
    messages.success(request, done)
    if wants_fragment(request):
        return _detail(request, _job(request, job_id))
    return redirect("job", job_id)


def _detail(
    request: OrgRequest, row: Job, *, status: int = HTTPStatus.OK, **more: Any
) -> HttpResponse:
    if row.finished_at is not None and row.seen_at is None:
        services.mark_seen(org_id=row.org_id, operator_id=request.user.pk, job_id=row.pk)
    kind = find_kind(row.kind)
    page = kind.page(row) if kind and kind.page else None
    context = {
        "job": row,
        "kind": kind.label if kind else row.kind,
        "result_page": page,
        "may_retry": not Permission(row.needs) & ~request.access.permissions,
        **more,
    }
    template = page_or_fragment(request, "jobs/job.html", "jobs/_job.html")
    return render(request, template, context, status=status)


def _visible(request: OrgRequest) -> JobQuerySet:
    rows = Job.objects.filter(org=request.access.org_id)
    return rows.visible_to(request.actor, request.access.permissions)


def _job(request: OrgRequest, job_id: UUID) -> Job:
    return get_object_or_404(_visible(request), pk=job_id)


def _unread(request: OrgRequest) -> int:
    rows = Job.objects.filter(org=request.access.org_id).unread_by(request.user.pk)
    return len(rows.values_list("pk")[: MAX_UNREAD + 1])
