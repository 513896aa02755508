"""The frozen rows of a job that did not go through are kept for 30 days after its end."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from agents.models import Agent
from ibex.celery import app
from ibex.ids import uuid7
from ibex.tenancy import tenant
from jobs import tasks
from jobs.errors import JobRowsForgotten
from jobs.models import Job, JobChunk
from jobs.services import retry_job
from orgs.permissions import ALL
from tests.api.rows import make_job
from tests.conftest import SignIn, World
from tests.jobs.conftest import acting, fresh

JSON = "application/json"
OVER, UNDER = timedelta(days=30, minutes=5), timedelta(days=29, hours=23)


def frozen(agent: Agent, *, ago: timedelta | None, state: str = "partial", chunks: int = 3) -> Job:
    """Make a job with frozen rows that ended so long ago; one that has not ended without `ago`."""
    ended = {"state": state, "finished_at": timezone.now() - ago} if ago else {}
    job = make_job(agent, done=3, failed=1, **ended)
    with tenant(agent.org_id):
        for number in range(chunks):
            JobChunk.objects.create(
                org_id=agent.org_id, job=job, number=number, row_ids=[uuid7(), uuid7()]
            )
    return job


def chunks(job: Job) -> int:
    with tenant(job.org_id):
        return JobChunk.objects.filter(job=job).count()


@pytest.mark.parametrize("state", ["partial", "failed", "cancelled"])
def test_rows_are_forgotten_past_the_line_in_every_organization(world: World, state: str) -> None:
    old = [frozen(agent, ago=OVER, state=state) for agent in (world.scout, world.spy)]
    young = [frozen(agent, ago=UNDER, state=state) for agent in (world.scout, world.spy)]
    running = frozen(world.scout, ago=None)
    tasks.forget_rows()
    assert [chunks(job) for job in old] == [0, 0]
    assert [chunks(job) for job in [*young, running]] == [3, 3, 3]
    assert all(fresh(job).rows_forgotten_at for job in old)
    assert not any(fresh(job).rows_forgotten_at for job in [*young, running])


def test_a_job_without_frozen_rows_can_be_tried_again_for_ever(world: World) -> None:
    job = make_job(world.scout, state="failed", finished_at=timezone.now() - OVER)
    tasks.forget_rows()
    assert fresh(job).rows_forgotten_at is None
    assert retry_job(job=job, actor=acting(world.alice), held=ALL).state == "queued"


def test_a_batch_takes_so_many_chunks_and_marks_the_job_with_the_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "AT_ONCE", 2)
    job = frozen(world.scout, ago=OVER, chunks=5)
    assert tasks._forget_some() == 2
    assert (chunks(job), bool(fresh(job).rows_forgotten_at)) == (3, True)
    marked = fresh(job).rows_forgotten_at
    tasks.forget_rows()
    assert (chunks(job), fresh(job).rows_forgotten_at) == (0, marked)


def test_a_retry_that_came_first_keeps_its_rows(world: World) -> None:
    job = frozen(world.scout, ago=OVER)
    retry_job(job=job, actor=acting(world.alice), held=ALL)
    tasks.forget_rows()
    assert (chunks(job), fresh(job).rows_forgotten_at) == (3, None)


def test_a_retry_afterwards_is_refused_and_one_in_time_is_not(world: World) -> None:
    old, young = frozen(world.scout, ago=OVER), frozen(world.scout, ago=UNDER)
    tasks.forget_rows()
    with pytest.raises(JobRowsForgotten, match="not known any more"):
        retry_job(job=old, actor=acting(world.alice), held=ALL)
    assert fresh(old).state == "partial"
    assert retry_job(job=young, actor=acting(world.alice), held=ALL).state == "queued"


def test_the_page_says_why_it_cannot_be_tried_again(
    world: World, sign_in: SignIn, settings: Any
) -> None:
    settings.ROOT_URLCONF = "ibex.urls.dashboard"
    old, young = frozen(world.scout, ago=OVER), frozen(world.scout, ago=UNDER)
    tasks.forget_rows()
    client = sign_in(world.alice)
    for job, is_forgotten in ((old, True), (young, False)):
        page = client.get(f"/jobs/{job.pk}/").content.decode()
        again = page[page.index(f'formaction="/jobs/{job.pk}/retry/"') :].partition(">")[0]
        assert ("disabled" in again) is is_forgotten
        assert ("are not known any more" in page) is is_forgotten
        status = client.post(f"/jobs/{job.pk}/retry/").status_code
        assert status == (409 if is_forgotten else 302)


def test_the_api_refuses_with_a_code_of_its_own(world: World, settings: Any) -> None:
    settings.ROOT_URLCONF = "ibex.urls.api"
    old, young = frozen(world.scout, ago=OVER), frozen(world.scout, ago=UNDER)
    tasks.forget_rows()
    headers = {"Authorization": f"Bearer {world.token()}"}
    client = Client(headers=headers)
    answer = client.post(f"/api/v1/jobs/{old.pk}/retry", {}, JSON)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "JOB_ROWS_FORGOTTEN")
    assert client.get(f"/api/v1/jobs/{old.pk}").json()["rows_forgotten_at"]
    assert client.post(f"/api/v1/jobs/{young.pk}/retry", {}, JSON).status_code == 200


def test_the_beat_asks_for_it_once_a_day() -> None:
    entry = app.conf.beat_schedule["forget rows of jobs"]
    assert entry["task"] == tasks.forget_rows.name
    times = entry["schedule"]
    assert (len(times.hour), len(times.minute), len(times.day_of_week)) == (1, 1, 7)


def test_old_jobs_are_found_by_their_index(world: World) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(
            "EXPLAIN SELECT id FROM jobs_job WHERE finished_at < now() - interval '30 days' "
            "AND state IN ('failed', 'cancelled', 'partial') ORDER BY finished_at LIMIT 100"
        )
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "jobs_ended_in_part" in plan
