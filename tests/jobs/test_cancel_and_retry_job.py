"""Stopping a job, and having it tried again."""

import pytest

from ibex.tenancy import tenant
from jobs import running
from jobs.errors import JobFinished, JobNotRetryable
from jobs.models import Job
from jobs.services import cancel_job, mark_seen, retry_job
from orgs.models import AuditEvent
from orgs.permissions import ALL, VIEWER, Permission
from orgs.refusals import InsufficientPermissions
from tests.conftest import World
from tests.jobs.conftest import MakeJob, acting, carry_on, fresh, items


def test_a_waiting_job_is_cancelled_at_once(make_job: MakeJob, world: World) -> None:
    job = cancel_job(job=make_job(), actor=acting(world.alice), reason="A mistake")
    assert (job.state, carry_on(job).runs, items(job)) == ("cancelled", 0, [])
    with tenant(world.acme):
        event = AuditEvent.objects.get(action="job.cancel")
    assert (event.target_id, event.reason, event.request_id) == (job.pk, "A mistake", "r-1")


def test_a_running_job_stops_at_its_next_chunk(
    make_job: MakeJob, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "BEAT_S", 0)
    advance = running.Run.advance

    def cancelled_meanwhile(run: running.Run, *args: object, **options: object) -> None:
        advance(run, *args, **options)  # type: ignore[arg-type]
        cancel_job(job=fresh(job), actor=acting(world.alice))

    monkeypatch.setattr(running.Run, "advance", cancelled_meanwhile)
    job = make_job()
    ended = carry_on(job)
    assert (ended.state, ended.done, items(job)) == ("cancelled", 5, list(range(5)))


def test_a_job_whose_worker_died_is_cancelled_by_the_next(make_job: MakeJob, world: World) -> None:
    job = make_job()
    running._begin(job.org_id, job.pk)
    assert cancel_job(job=job, actor=acting(world.alice)).state == "running"
    assert carry_on(job).state == "cancelled"


def test_cancelling_twice_is_one_cancel_and_an_ended_job_refuses(
    make_job: MakeJob, world: World
) -> None:
    job = make_job()
    running._begin(job.org_id, job.pk)
    cancel_job(job=job, actor=acting(world.alice))
    cancel_job(job=job, actor=acting(world.alice))
    with tenant(world.acme):
        assert AuditEvent.objects.filter(action="job.cancel").count() == 1
    carry_on(job)
    with pytest.raises(JobFinished):
        cancel_job(job=job, actor=acting(world.alice))


def test_a_cancelled_job_goes_on_where_it_stopped(
    make_job: MakeJob, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "SLICE_S", 0)
    job = carry_on(make_job())
    cancel_job(job=job, actor=acting(world.alice))
    assert carry_on(job).state == "cancelled"
    job = retry_job(job=job, actor=acting(world.alice), held=ALL)
    assert (job.state, job.done, job.retries) == ("queued", 5, 1)
    monkeypatch.setattr(running, "SLICE_S", 10)
    assert carry_on(job).state == "done"
    assert items(job) == list(range(12))


def test_a_partial_job_starts_over(make_job: MakeJob, world: World) -> None:
    job = carry_on(make_job(parameters={"fail": [3]}))
    job = retry_job(job=job, actor=acting(world.alice), held=ALL, reason="Mended")
    assert (job.state, job.done, job.failed, job.why) == ("queued", 0, 0, "")
    assert carry_on(job).done == 12


def test_a_job_whose_every_item_failed_starts_over(make_job: MakeJob, world: World) -> None:
    job = carry_on(make_job(parameters={"fail": list(range(12))}))
    assert job.state == "failed"
    with tenant(world.acme):
        mended = {**job.parameters, "fail": []}
        Job.objects.filter(pk=job.pk).update(parameters=mended)
    job = retry_job(job=job, actor=acting(world.alice), held=ALL, reason="Mended")
    assert (job.done, job.failed) == (0, 0)
    job = carry_on(job)
    assert (job.state, items(job)) == ("done", 2 * list(range(12)))


def test_what_is_done_or_waits_is_not_tried_again(make_job: MakeJob, world: World) -> None:
    job = make_job()
    for _ in range(2):
        with pytest.raises(JobNotRetryable):
            retry_job(job=job, actor=acting(world.alice), held=ALL)
        job = carry_on(job)
    assert job.state == "done"


def test_who_may_no_longer_do_it_cannot_have_it_tried_again(
    make_job: MakeJob, world: World
) -> None:
    job = carry_on(make_job(kind="tests.refuse", needs=Permission.MEMORY_WRITE))
    with pytest.raises(InsufficientPermissions, match="MEMORY_WRITE"):
        retry_job(job=job, actor=acting(world.alice), held=VIEWER)
    assert retry_job(job=job, actor=acting(world.alice), held=ALL).state == "queued"


def test_an_ended_job_is_unread_until_its_owner_has_seen_it(
    make_job: MakeJob, world: World
) -> None:
    job, running_job = carry_on(make_job()), make_job()
    with tenant(world.acme):
        assert [one.pk for one in Job.objects.unread_by(world.alice.pk)] == [job.pk]
    assert mark_seen(org_id=world.acme.pk, operator_id=world.mallory.pk) == 0
    assert mark_seen(org_id=world.acme.pk, operator_id=world.alice.pk, job_id=job.pk) == 1
    assert mark_seen(org_id=world.acme.pk, operator_id=world.alice.pk) == 0
    assert carry_on(running_job).seen_at is None
