"""Jobs of Acme, and the worker's part played by the test."""

from collections.abc import Callable
from typing import Any

import pytest

from ibex.tenancy import tenant
from jobs.models import Job
from jobs.running import run_job
from jobs.services import enqueue_job
from orgs.audit import Actor
from orgs.models import AuditEvent, Operator
from tests.conftest import World
from tests.jobs import kinds

__all__ = ["kinds"]

MakeJob = Callable[..., Job]


def acting(operator: Operator) -> Actor:
    return Actor(
        AuditEvent.Actor.OPERATOR, operator.pk, operator.email, ip="192.0.2.7", request_id="r-1"
    )


def fresh(job: Job) -> Job:
    with tenant(job.org_id):
        return Job.objects.get(pk=job.pk)


def carry_on(job: Job) -> Job:
    """Do as the worker does for one slice; return the job as it stands then."""
    run_job(org_id=job.org_id, job_id=job.pk)
    return fresh(job)


def items(job: Job) -> list[int]:
    """Return the numbers that the job wrote, in order."""
    with tenant(job.org_id):
        written = AuditEvent.objects.filter(action="tests.item").order_by("at", "pk")
        return [(event.after or {})["number"] for event in written]


@pytest.fixture
def make_job(world: World) -> MakeJob:
    """Ask for items as Alice."""

    def make(owner: Operator | None = None, kind: str = "tests.items", **options: Any) -> Job:
        parameters = {"count": 12, **options.pop("parameters", {})}
        return enqueue_job(
            org=options.pop("org", world.acme),
            kind=kind,
            actor=acting(owner or world.alice),
            parameters=parameters,
            **options,
        )

    return make
