"""The console's pages of background work, and the bell in its header."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_GET, require_POST
from django.views.decorators.vary import vary_on_headers

from ibex.errors import DomainError
from ibex.forms import ReasonForm
from ibex.http import page_or_fragment, read_page, render_list, wants_fragment
from jobs import services
from jobs.events import MAX_EVENTS
from jobs.filters import JobFilter
from jobs.models import Job, JobEvent, JobQuerySet
from jobs.registry import find_kind
from orgs.access import OrgRequest, operator_page
from orgs.permissions import Permission

OWN = Permission(0)
MAX_UNREAD = 99
MAX_NEWS = 3


@require_GET
@operator_page(OWN)
def jobs(request: OrgRequest) -> HttpResponse:
    """List the background work that the operator may see; htmx gets only the results."""
    filters = JobFilter(request.GET, _visible(request), org_id=request.access.org_id)
    page = read_page(request, filters.rows)
    context = {"page": page, "unread": _unread(request)}
    return render_list(request, "jobs/jobs.html", "jobs/_results.html", filters, context)


@require_GET
@vary_on_headers("HX-Request")
@operator_page(OWN)
def job(request: OrgRequest, job_id: UUID) -> HttpResponse:
    """Show one job; that its owner has looked at its end takes it off the bell."""
    return _detail(request, _job(request, job_id))


@require_GET
@operator_page(OWN)
def job_peek(request: OrgRequest, job_id: UUID) -> HttpResponse:
    """Show how far a job is and what came of it, for the panel beside the list."""
    row = _job(request, job_id)
    _see(request, row)
    return render(request, "jobs/_peek.html", {"job": row, **_kind(row)})


@require_GET
@operator_page(OWN)
def job_row(request: OrgRequest, job_id: UUID) -> HttpResponse:
    """Show one row of the list again; the query is the list's, which its links narrow further."""
    row = _job(request, job_id)
    filters = JobFilter(request.GET, _visible(request), org_id=request.access.org_id)
    return render(request, "jobs/_row.html", {"job": row, "filters": filters})


@require_GET
@operator_page(OWN)
def bell(request: OrgRequest) -> HttpResponse:
    """Show how many of the operator's jobs have ended unseen; every page asks for it.

    What ended since it was asked last is told once, with a link.
    """
    ended = list(
        _ended(request)
        .defer("parameters", "checkpoint", "result")
        .order_by("-finished_at", "-pk")[: MAX_UNREAD + 1]
    )
    key = f"jobs_told:{request.access.org_id}"
    told = parse_datetime(request.session.get(key, "")) or timezone.now()
    news = [row for row in ended if row.finished_at and row.finished_at > told]
    if news or key not in request.session:
        request.session[key] = str(news[0].finished_at if news else told)
    context = {"unread": len(ended), "news": news[:MAX_NEWS], "is_asked": True}
    context["more_news"] = len(news[MAX_NEWS:])
    return render(request, "jobs/_bell.html", context)


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
    _see(request, row)
    context = {
        "job": row,
        **_kind(row),
        "events": JobEvent.objects.filter(org=row.org_id, job=row)[:MAX_EVENTS],
        "may_retry": not Permission(row.needs) & ~request.access.permissions,
        **more,
    }
    template = page_or_fragment(request, "jobs/job.html", "jobs/_job.html")
    return render(request, template, context, status=status)


def _see(request: OrgRequest, row: Job) -> None:
    """Take an ended job off its owner's bell."""
    if row.finished_at is not None and row.seen_at is None:
        services.mark_seen(org_id=row.org_id, operator_id=request.user.pk, job_id=row.pk)


def _kind(row: Job) -> dict[str, Any]:
    """Say what kind of work it is, and where its result is looked at."""
    kind = find_kind(row.kind)
    page = kind.page(row) if kind and kind.page else None
    return {"kind": kind.label if kind else row.kind, "result_page": page}


def _visible(request: OrgRequest) -> JobQuerySet:
    rows = Job.objects.filter(org=request.access.org_id)
    return rows.visible_to(request.actor, request.access.permissions)


def _job(request: OrgRequest, job_id: UUID) -> Job:
    return get_object_or_404(_visible(request), pk=job_id)


def _ended(request: OrgRequest) -> JobQuerySet:
    """Return the operator's own jobs that ended and that they have not looked at."""
    return Job.objects.filter(org=request.access.org_id).unread_by(request.user.pk)


def _unread(request: OrgRequest) -> int:
    return len(_ended(request).values_list("pk")[: MAX_UNREAD + 1])
