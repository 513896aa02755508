"""Bulk actions on more sessions than a request should wait for."""

from collections.abc import Generator
from typing import Any

from django.db.models import QuerySet
from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from ibex.filtering import ListFilter
from ibex.selection import CHUNK, BulkAction, Selection
from ibex.tenancy import tenant
from jobs.registry import job
from jobs.running import Run
from jobs.services import enqueue_job
from orgs.access import OrgRequest
from sessions.bulk import ACTIONS
from sessions.filters import SessionFilter
from sessions.models import Session

KIND = "sessions.bulk"


def hand_over(
    request: OrgRequest,
    selection: Selection[Session],
    action: BulkAction[Session],
    _kind: type[ListFilter],
    reason: str,
) -> str:
    """Start the job for what an operator has confirmed; return the address of its page."""
    row = enqueue_job(
        org=request.access.org_id,
        kind=KIND,
        actor=request.actor,
        parameters={
            "action": action.name,
            "filter": selection.canonical,
            "until": timezone.now().isoformat(),
        },
        title=action.label(selection.count),
        total=selection.count,
        needs=action.needs,
        reason=reason,
    )
    return reverse("job", args=[row.pk])


@job(KIND, "Change sessions")
def change_sessions(run: Run) -> Generator[None, None, dict[str, Any] | None]:
    """Act on the sessions that the filter found when it was confirmed, chunk by chunk."""
    action = ACTIONS[run.parameters["action"]]
    while True:
        with tenant(run.org_id):
            ids = list(_remaining(run).values_list("pk", flat=True)[:CHUNK])
            if not ids:
                break
            rows = Session.objects.filter(org=run.org_id, pk__in=ids)
            outcome = action.act(rows, run.actor, run.reason)
            run.advance(len(ids), failed=outcome.refused, checkpoint=str(ids[-1]))
        yield
    return {"sessions_changed": run.done - run.failed}


def _remaining(run: Run) -> QuerySet[Session]:
    """Return what is left, by id. What began after the confirmation was not confirmed."""
    mine = Session.objects.filter(org=run.org_id)
    mine = mine.filter(created_at__lte=parse_datetime(run.parameters["until"]))
    rows = SessionFilter(QueryDict(run.parameters["filter"]), mine, org_id=run.org_id)
    found = rows.rows_or_refuse().order_by("pk")
    return found.filter(pk__gt=run.checkpoint) if run.checkpoint else found
