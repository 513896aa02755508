"""A job is done once, whatever happens to who does it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from ibex.tenancy import tenant
from jobs import running
from jobs.errors import JobTaken
from jobs.models import Job
from orgs.models import AuditEvent
from tests.conftest import World
from tests.jobs.conftest import MakeJob, carry_on, fresh, items


def test_a_job_goes_through_and_says_what_came_of_it(world: World, make_job: MakeJob) -> None:
    job = make_job()
    assert (job.state, job.done, job.total) == ("queued", 0, None)
    job = carry_on(job)
    assert (job.state, job.done, job.total, job.failed) == ("done", 12, 12, 0)
    assert job.result == {"items_written": 12}
    assert job.run_after is None
    assert job.finished_at is not None
    assert items(job) == list(range(12))


def test_the_work_is_audited_in_the_name_of_who_asked(world: World, make_job: MakeJob) -> None:
    carry_on(make_job())
    with tenant(world.acme):
        event = AuditEvent.objects.filter(action="tests.item").first()
    assert event is not None
    assert (event.actor_id, event.ip, event.request_id) == (world.alice.pk, "192.0.2.7", "r-1")


def test_a_message_that_comes_twice_does_nothing_more(make_job: MakeJob) -> None:
    job = carry_on(make_job())
    again = carry_on(job)
    assert (again.runs, items(job)) == (1, list(range(12)))


def test_items_that_fail_make_it_partial(make_job: MakeJob) -> None:
    job = carry_on(make_job(parameters={"fail": [3]}))
    assert (job.state, job.done, job.failed) == ("partial", 12, 1)
    assert job.why == "1 of 12 items failed."


def test_when_every_item_fails_it_has_failed(make_job: MakeJob) -> None:
    job = carry_on(make_job(parameters={"fail": list(range(12))}))
    assert (job.state, job.failed) == ("failed", 12)


def test_a_handler_says_why_it_gave_up(make_job: MakeJob) -> None:
    job = carry_on(make_job(kind="tests.refuse"))
    assert (job.state, job.why) == ("failed", "The model server is gone.")


def test_an_unexpected_error_is_tried_again_and_then_told_without_its_text(
    make_job: MakeJob,
) -> None:
    job = make_job(kind="tests.crash")
    for attempt in range(1, running.MAX_STUMBLES):
        job = carry_on(job)
        assert (job.state, job.stumbles) == ("queued", attempt)
        assert job.run_after is not None
        assert job.run_after > timezone.now()
        _make_due(job)
    job = carry_on(job)
    assert job.state == "failed"
    assert "ValueError at tests/jobs/kinds.py" in job.why
    assert "secret" not in job.why


def test_a_job_that_kills_its_worker_each_time_is_given_up(make_job: MakeJob) -> None:
    job = make_job()
    with tenant(job.org_id):
        Job.objects.update(state="running", stumbles=running.MAX_STUMBLES, runs=5)
    job = carry_on(job)
    assert (job.state, items(job)) == ("failed", [])
    assert "stopped 5 times" in job.why


def test_a_job_gives_way_when_its_slice_is_over_and_goes_on_from_there(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "SLICE_S", 0)
    job = carry_on(make_job())
    assert (job.state, job.done, job.claimed_until) == ("running", 5, None)
    job = carry_on(carry_on(carry_on(job)))
    assert (job.state, job.runs) == ("done", 4)
    assert items(job) == list(range(12))


def test_a_worker_that_lost_its_job_writes_nothing_more(
    world: World, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It slept for longer than its lease, and another began meanwhile."""
    job = make_job()
    stale = running._begin(job.org_id, job.pk)
    newer = running._begin(job.org_id, job.pk)
    assert stale is not None
    assert newer is not None
    with pytest.raises(JobTaken), tenant(job.org_id):
        stale.advance(5)
    with tenant(job.org_id):
        newer.advance(1)
    running._finish(stale, {"items_written": 99})
    job = fresh(job)
    assert (job.state, job.done, job.result) == ("running", 1, None)


def test_progress_and_work_stand_or_fall_together(make_job: MakeJob) -> None:
    job = make_job()
    run = running._begin(job.org_id, job.pk)
    assert run is not None
    with pytest.raises(RuntimeError), tenant(job.org_id):
        run.advance(5, checkpoint=5)
        raise RuntimeError
    assert (fresh(job).done, fresh(job).checkpoint) == (0, None)


def test_a_kind_that_is_gone_is_told(make_job: MakeJob) -> None:
    job = make_job()
    with tenant(job.org_id):
        Job.objects.update(kind="tests.gone")
    job = carry_on(job)
    assert (job.state, job.why) == (
        "failed",
        "This version does not know the kind of job tests.gone.",
    )


def test_a_running_job_that_is_silent_for_a_minute_is_stalled(make_job: MakeJob) -> None:
    job = make_job()
    for age, stalled in ((59, False), (61, True)):
        with tenant(job.org_id):
            heard = timezone.now() - timedelta(seconds=age)
            Job.objects.update(state="running", heartbeat_at=heard)
            assert Job.objects.stalled().exists() is stalled
        assert fresh(job).is_stalled is stalled
    with tenant(job.org_id):
        Job.objects.update(state="queued")
    assert not fresh(job).is_stalled


def _make_due(job: Job) -> None:
    with tenant(job.org_id):
        Job.objects.filter(pk=job.pk).update(run_after=timezone.now() - timedelta(seconds=1))
