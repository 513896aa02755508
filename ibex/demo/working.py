"""Filling the demo's organization and removing it, as background work.

Both are jobs of the organization that they were asked for in: the demo's own jobs go with it.
"""

from collections.abc import Generator
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.urls import reverse

from ibex.demo.filling import Filling
from ibex.demo.organization import (
    NAME,
    count_rows,
    create_demo,
    filling_job,
    find_demo,
    is_filled,
    note_filled,
    note_filling,
    remove_demo,
)
from ibex.demo.recording import now
from ibex.tenancy import tenant
from jobs.errors import JobFailed
from jobs.models import Job
from jobs.registry import job
from jobs.running import Run
from jobs.services import enqueue_job
from orgs.models import Organization

FILL, REMOVE = "demo.fill", "demo.remove"
SCALE = 0.25
"""How much of the story a click tells: some 120 conversations."""

Steps = Generator[None, None, dict[str, Any] | None]


def where_it_is(row: Job) -> str | None:
    """Lead to the choice of organizations, once it is there."""
    return reverse("organizations") if row.state == Job.State.DONE else None


def clear_away(row: Job) -> None:
    """Ask for the removal of what a cancelled job has made so far."""
    org = find_demo()
    if org is not None and not is_filled(org) and filling_job(org) == (row.org_id, row.pk):
        ask_for_removal(row, org)


def ask_for_removal(row: Job, org: Organization) -> None:
    """Have the organization removed by a job beside `row`, in the name of the same operator."""
    title = "Remove what was made of the demo data"
    enqueue_job(
        org=row.org_id, kind=REMOVE, actor=row.owner, parameters=named(org), title=title, total=1
    )


def named(org: Organization) -> dict[str, str]:
    """Name this very demo: a later one, made after it was removed, is not meant."""
    return {"made_at": org.created_at.isoformat()}


@job(FILL, "Make demo data", page=where_it_is, cancelled=clear_away)
def fill(run: Run) -> Steps:
    """Make the organization, then tell its story step by step, each one a transaction."""
    if run.checkpoint is None:
        _begin(run)
        yield
    org = find_demo()
    if org is None or filling_job(org) != (run.org_id, run.job_id):
        raise JobFailed("What it had made is gone. Ask for demo data anew, on the overview.")
    begun = datetime.fromisoformat(run.checkpoint["now"])
    steps = Filling(org, begun, SCALE, _say_nothing).steps()
    while (number := run.checkpoint["step"]) < len(steps):
        with transaction.atomic():
            steps[number]()
            with tenant(run.org_id):
                run.advance(1, checkpoint={**run.checkpoint, "step": number + 1}, total=len(steps))
        yield
    counts = count_rows()
    note_filled(org, counts)
    return counts


@job(REMOVE, "Remove demo data")
def remove(run: Run) -> Steps:
    """Remove the demo that was meant; one that is gone already is removed."""
    if run.checkpoint is None:
        org, rows = find_demo(), 0
        if org is not None and named(org) == run.parameters:
            rows = remove_demo(org, settings.REDIS_URL)
        with tenant(run.org_id):
            run.advance(1, total=1, checkpoint="gone", result={"rows_removed": rows})
        yield
    return None


def _begin(run: Run) -> None:
    """Make the organization, after removing what a failed job left. Raises `JobFailed`."""
    org = find_demo()
    if org is not None:
        _make_way(org)
    try:
        with transaction.atomic():
            org = create_demo(run.actor.label)
            with tenant(run.org_id):
                row = Job.objects.get(pk=run.job_id)
            note_filling(org, row)
            with tenant(run.org_id):
                run.advance(0, checkpoint={"now": now().isoformat(), "step": 0})
    except (ValidationError, IntegrityError):  # row-level security hides whose it is
        raise JobFailed("Another organization has the address “demo” already.") from None


def _make_way(org: Organization) -> None:
    if org.status == Organization.Status.DELETING:
        raise JobFailed(f"{NAME} is being removed. Try again when it is gone.")
    if is_filled(org):
        raise JobFailed(f"{NAME} is there already.")
    found = filling_job(org)
    if found is not None:
        with tenant(found[0]):
            if Job.objects.filter(pk=found[1]).unfinished().exists():
                raise JobFailed(f"{NAME} is being made already.")
    remove_demo(org, settings.REDIS_URL)


def _say_nothing(_text: str) -> None:
    """Leave it to the progress of the job."""
