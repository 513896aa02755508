"""Asking for background work: in the caller's transaction, once for each key."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from ibex import dispatch
from ibex.tenancy import tenant
from jobs.errors import JobKeyReused
from jobs.models import Job
from tests.conftest import World
from tests.jobs.conftest import MakeJob


@pytest.fixture
def claimed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Claim as the dispatcher does, as if nothing else were running."""
    (statement,) = [statement for work, statement, _task in dispatch.CLAIMS if work == "job"]

    def claim(at_once: int = 1_000) -> set[Any]:
        monkeypatch.setenv("IBEX_WORKER_JOBS", str(at_once))
        return {row_id for _org, row_id in dispatch.claim(statement)}

    return claim


def due(*jobs: Job) -> None:
    """Postgres's now() is when the test's transaction began."""
    for job in jobs:
        with tenant(job.org_id):
            earlier = timezone.now() - timedelta(minutes=5)
            Job.objects.filter(pk=job.pk).update(run_after=earlier, claimed_until=None)


def test_a_job_is_named_after_its_kind_unless_told(make_job: MakeJob) -> None:
    assert make_job().title == "Write items"
    assert make_job(title="Write 12 items").title == "Write 12 items"


def test_an_unknown_kind_is_a_mistake_of_ours(make_job: MakeJob) -> None:
    with pytest.raises(LookupError):
        make_job(kind="tests.nonsense")


def test_the_same_key_is_the_same_job(make_job: MakeJob, world: World) -> None:
    first = make_job(idempotency_key="k")
    assert make_job(idempotency_key="k").pk == first.pk
    assert make_job(idempotency_key="another").pk != first.pk
    with tenant(world.acme):
        assert Job.objects.count() == 2


def test_the_same_key_for_something_else_is_refused(make_job: MakeJob, world: World) -> None:
    make_job(idempotency_key="k")
    with pytest.raises(JobKeyReused):
        make_job(idempotency_key="k", parameters={"count": 13})
    with pytest.raises(JobKeyReused):
        make_job(world.member("member"), idempotency_key="k")
    other = make_job(world.mallory, org=world.elsewhere, idempotency_key="k")
    assert other.org_id == world.elsewhere.pk


def test_due_jobs_of_every_org_are_claimed_once(
    make_job: MakeJob, world: World, claimed: Any
) -> None:
    ours, theirs = make_job(), make_job(world.mallory, org=world.elsewhere)
    due(ours, theirs)
    assert {ours.pk, theirs.pk} <= claimed()
    assert not {ours.pk, theirs.pk} & claimed()
    with tenant(world.acme):
        Job.objects.update(claimed_until=timezone.now() - timedelta(minutes=1))
    assert ours.pk in claimed()


def test_no_more_jobs_run_at_once_than_allowed(make_job: MakeJob, claimed: Any) -> None:
    jobs = [make_job() for _ in range(3)]
    claimed()  # whatever else is due
    with tenant(jobs[0].org_id):
        Job.objects.update(claimed_until=timezone.now() - timedelta(minutes=9))
    due(*jobs)
    running = next(limit for limit in range(1_000) if claimed(limit)) - 1  # of other tests' orgs
    assert len(claimed(running + 2)) == 1
    assert claimed(running + 2) == set()
    assert len(claimed(running + 3)) == 1


def test_a_finished_job_is_never_claimed(make_job: MakeJob, claimed: Any) -> None:
    job = make_job()
    with tenant(job.org_id):
        Job.objects.update(state="done", run_after=None, finished_at=timezone.now())
    assert job.pk not in claimed()
