"""A job's log: what happened to it, in the order in which it happened."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from ibex.tenancy import tenant
from jobs import events, running
from jobs.errors import JobTaken
from jobs.models import Job, JobEvent
from jobs.services import cancel_job, retry_job
from orgs.permissions import ALL
from tests.conftest import SignIn, World
from tests.jobs.conftest import MakeJob, acting, carry_on, fresh


def log(job: Job) -> list[JobEvent]:
    with tenant(job.org_id):
        return list(JobEvent.objects.filter(job=job).order_by("created_at", "pk"))


def told(job: Job) -> list[str]:
    return [event.kind for event in log(job)]


def test_a_job_that_goes_through_leaves_three_lines(world: World, make_job: MakeJob) -> None:
    job = carry_on(make_job())
    queued, started, ended = log(job)
    assert (queued.kind, queued.actor_id, queued.actor_label) == (
        "queued",
        world.alice.pk,
        world.alice.email,
    )
    assert (started.kind, started.run, started.actor_type) == ("started", 1, None)
    assert (ended.kind, ended.state, ended.done, ended.total) == ("ended", "done", 12, 12)
    assert job.finished_at is not None
    assert ended.took == job.finished_at - started.created_at


def test_a_job_that_gives_way_writes_nothing(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "SLICE_S", 0)
    job = make_job()
    while job.is_unfinished:
        job = carry_on(job)
    assert job.runs > 2
    assert told(job) == ["queued", "started", "ended"]


def test_a_job_whose_worker_was_lost_is_taken_over(make_job: MakeJob) -> None:
    job = make_job()
    lost = running._begin(job.org_id, job.pk)
    assert lost is not None
    with tenant(job.org_id):
        lost.advance(5, checkpoint=5, total=12)
    job = carry_on(job)
    assert told(job) == ["queued", "started", "taken_over", "ended"]
    line = log(job)[2]
    assert (line.run, line.done, line.total) == (2, 5, 12)
    with pytest.raises(JobTaken), tenant(job.org_id):
        lost.advance(1)
    assert len(log(job)) == 4  # who lost the job writes nothing more


def test_a_stumble_says_why_without_its_text_and_when_it_is_tried_next(make_job: MakeJob) -> None:
    job = carry_on(make_job(kind="tests.crash"))
    assert told(job) == ["queued", "started", "stumbled"]
    line = log(job)[-1]
    assert "ValueError at tests/jobs/kinds.py" in line.why
    assert "secret" not in line.why
    assert line.next_at == job.run_after
    with tenant(job.org_id):
        Job.objects.filter(pk=job.pk).update(
            run_after=timezone.now(), stumbles=running.MAX_STUMBLES - 1
        )
    job = carry_on(job)
    assert told(job) == ["queued", "started", "stumbled", "started", "ended"]
    assert (log(job)[-1].state, log(job)[-1].why) == ("failed", job.why)


def test_who_cancelled_and_who_tried_again_is_named(
    world: World, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "SLICE_S", 0)
    bob = world.member("admin")
    job = carry_on(make_job())
    cancel_job(job=job, actor=acting(bob))
    cancel_job(job=job, actor=acting(world.alice))  # the second one changes nothing
    carry_on(job)
    retry_job(job=job, actor=acting(world.alice), held=ALL)
    monkeypatch.setattr(running, "SLICE_S", 10)
    carry_on(job)
    lines = log(job)
    assert [line.kind for line in lines] == [
        *("queued", "started", "cancel_asked", "ended"),
        *("retried", "started", "ended"),
    ]
    assert (lines[2].actor_id, lines[4].actor_id) == (bob.pk, world.alice.pk)
    assert (lines[3].state, lines[3].done, lines[4].done) == ("cancelled", 5, 5)
    assert lines[6].took is not None
    assert lines[6].took <= lines[6].created_at - lines[4].created_at  # of the second try alone


def test_a_change_that_is_rolled_back_leaves_no_line(world: World, make_job: MakeJob) -> None:
    job = make_job()
    with pytest.raises(RuntimeError), tenant(job.org_id):
        cancel_job(job=job, actor=acting(world.alice))
        raise RuntimeError
    assert (fresh(job).state, told(job)) == ("queued", ["queued"])


def test_the_newest_lines_are_kept(make_job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_EVENTS", 3)
    job, other = make_job(), make_job()
    with tenant(job.org_id):
        for run in range(5):
            job.runs = run
            events.note(job, JobEvent.Kind.STARTED)
    assert [line.run for line in log(job)] == [2, 3, 4]
    assert told(other) == ["queued"]


@pytest.fixture
def console(settings: Any) -> None:
    settings.ROOT_URLCONF = "ibex.urls.dashboard"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.mark.usefixtures("console")
def test_the_jobs_page_shows_its_log(world: World, make_job: MakeJob, sign_in: SignIn) -> None:
    job = make_job(parameters={"fail": [3]})
    client = sign_in(world.alice)
    waiting = client.get(f"/jobs/{job.pk}/", headers={"HX-Request": "true"}).content.decode()
    assert "Asked for</span> by" in waiting
    assert "Started</span>" not in waiting
    carry_on(job)
    page = client.get(f"/jobs/{job.pk}/").content.decode()
    assert "Started</span>" in page
    assert "12 of 12 done" in page
    assert page.count('id="event-') == 3
    assert sign_in(world.mallory).get(f"/jobs/{job.pk}/").status_code == 404


def test_anothers_log_does_not_exist(world: World, make_job: MakeJob) -> None:
    job = carry_on(make_job())
    with tenant(world.elsewhere):
        assert not JobEvent.objects.filter(job=job).exists()
    with tenant(world.acme):
        assert JobEvent.objects.filter(job=job).count() == 3
        old = timezone.now() - timedelta(days=1)
        assert not JobEvent.objects.filter(created_at__lt=old).exists()
