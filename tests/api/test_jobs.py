"""Following, stopping and repeating background work through the management API."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from agents.services import create_agent
from ibex.ids import uuid7
from ibex.tenancy import tenant
from jobs.api import accepted
from jobs.events import note
from orgs.models import AuditEvent
from orgs.permissions import ALL, MEMBER, Permission
from tests.api.conftest import Api, MakeApi, refused
from tests.api.rows import make_job
from tests.conftest import TESTS, World

pytestmark = pytest.mark.usefixtures("api_urls")

PATH = "/api/v1/jobs"
ENDED = {"state": "failed", "why": "The model server is gone."}


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["items"]]


def test_jobs_are_listed_newest_first_and_filtered(world: World, alice: Api) -> None:
    failed = str(make_job(world.scout, finished_at=timezone.now(), **ENDED).pk)
    waiting = str(make_job(world.scout, kind="tests.other").pk)
    make_job(world.spy)
    assert ids(alice.get(PATH)) == [waiting, failed]
    assert ids(alice.get(f"{PATH}?state=failed")) == [failed]
    assert ids(alice.get(f"{PATH}?owner={uuid7()}")) == []
    assert ids(alice.get(f"{PATH}?stalled=yes")) == []
    assert ids(alice.get(f"{PATH}?limit=1")) == [waiting]
    refused(alice.get(f"{PATH}?state=lost"), 400, "VALIDATION_ERROR")
    refused(alice.get(f"{PATH}?kind=nonsense"), 400, "VALIDATION_ERROR")
    refused(alice.get(f"{PATH}?colour=red"), 400, "VALIDATION_ERROR")


def test_a_job_says_how_far_it_is(world: World, alice: Api) -> None:
    job = make_job(world.scout, state="running", done=3, failed=1, total=9)
    row = alice.get(f"{PATH}/{job.pk}").json()
    assert (row["state"], row["done"], row["failed"], row["total"]) == ("running", 3, 1, 9)
    assert row["owner"] == {"type": "system", "id": None, "label": "tests"}
    assert row["stalled"] is False
    assert "parameters" not in row


def test_others_jobs_need_job_manage_and_ones_own_need_nothing(world: World, api: MakeApi) -> None:
    token = world.token(permissions=MEMBER)
    mine = make_job(world.scout, owner_type="token", owner_id=world.token_row(token).pk)
    other = make_job(world.scout)
    caller = api(token)
    assert ids(caller.get(PATH)) == [str(mine.pk)]
    assert ids(caller.get(f"{PATH}?owner={mine.owner_id}")) == [str(mine.pk)]
    assert caller.post(f"{PATH}/{mine.pk}/cancel").status_code == 200
    for action in ("", "/cancel", "/retry"):
        method = "POST" if action else "GET"
        refused(caller.call(method, f"{PATH}/{other.pk}{action}"), 404, "NOT_FOUND")
    manager = api(world.token(permissions=Permission.JOB_MANAGE))
    assert ids(manager.get(PATH)) == [str(other.pk), str(mine.pk)]


def test_a_token_of_one_agent_sees_its_jobs_alone(world: World, api: MakeApi) -> None:
    other = create_agent(org=world.acme, name="O", slug="o", memory_scope="agent", actor=TESTS)
    mine = make_job(world.scout)
    make_job(other)
    assert ids(api(world.token(agent=world.scout)).get(PATH)) == [str(mine.pk)]


def test_an_operator_sees_their_own(world: World) -> None:
    member = world.member("member")
    mine = make_job(world.scout, owner_type="operator", owner_id=member.pk)
    make_job(world.scout)
    client = Client()
    client.force_login(member)
    assert ids(client.get(PATH)) == [str(mine.pk)]


def test_cancel_and_retry_leave_their_mark(world: World, alice: Api) -> None:
    job = make_job(world.scout)
    row = alice.post(f"{PATH}/{job.pk}/cancel", {"reason": "A mistake"}).json()
    assert (row["state"], row["cancel_requested_at"] is None) == ("cancelled", False)
    refused(alice.post(f"{PATH}/{job.pk}/cancel"), 409, "JOB_FINISHED")
    row = alice.post(f"{PATH}/{job.pk}/retry", {"reason": "Not a mistake"}).json()
    assert (row["state"], row["retries"], row["finished_at"]) == ("queued", 1, None)
    refused(alice.post(f"{PATH}/{job.pk}/retry"), 409, "JOB_NOT_RETRYABLE")
    with tenant(world.acme):
        events = AuditEvent.objects.filter(target_id=job.pk).order_by("at")
        told = [(event.action, event.reason) for event in events]
        assert all(event.request_id for event in events)
    assert told == [("job.cancel", "A mistake"), ("job.retry", "Not a mistake")]


def test_a_retry_needs_what_the_job_needed(world: World, api: MakeApi) -> None:
    needs = int(Permission.MEMORY_DELETE)
    job = make_job(world.scout, finished_at=timezone.now(), needs=needs, **ENDED)
    caller = api(world.token(permissions=ALL & ~Permission.MEMORY_DELETE))
    refused(caller.post(f"{PATH}/{job.pk}/retry"), 403, "INSUFFICIENT_PERMISSIONS")


@pytest.mark.parametrize("body", [{"reason": 7}, {"why": "so"}, {"reason": "x" * 501}, []])
def test_a_wrong_body_is_refused(world: World, alice: Api, body: Any) -> None:
    job = make_job(world.scout)
    refused(alice.post(f"{PATH}/{job.pk}/cancel", body), 400, "VALIDATION_ERROR")


def test_an_unknown_job_and_another_orgs_are_missing(
    world: World, alice: Api, mallory: Api
) -> None:
    job = make_job(world.scout)
    refused(alice.get(f"{PATH}/{uuid7()}"), 404, "NOT_FOUND")
    refused(mallory.get(f"{PATH}/{job.pk}"), 404, "NOT_FOUND")
    assert alice.get(f"{PATH}/{job.pk}").status_code == 200


def test_work_that_goes_on_answers_202_with_its_address(world: World, alice: Api) -> None:
    job = make_job(world.scout)
    answer = accepted(job)
    assert (answer.status_code, answer.data["id"]) == (202, str(job.pk))
    assert alice.get(answer["Location"]).status_code == 200


def test_the_list_reads_a_fixed_number_of_queries(
    world: World, alice: Api, django_assert_num_queries: Any
) -> None:
    alice.get(PATH)
    for _ in range(2):
        with django_assert_num_queries(6):
            alice.get(PATH)
        for _ in range(3):
            make_job(world.scout)


def test_the_log_of_a_job_is_paged_newest_first(world: World, alice: Api, mallory: Api) -> None:
    job = make_job(world.scout)
    with tenant(world.acme):
        note(job, "queued", by=TESTS)
        note(job, "started")
    path = f"{PATH}/{job.pk}/events"
    page = alice.get(f"{path}?limit=1").json()
    assert [(row["kind"], row["actor"]) for row in page["items"]] == [("started", None)]
    rest = alice.get(f"{path}?cursor={page['next_cursor']}").json()
    (queued,) = rest["items"]
    assert queued["actor"] == {"type": "system", "id": None, "label": "tests"}
    assert (queued["state"], queued["done"], queued["took_s"]) == ("queued", 0, None)
    assert rest["next_cursor"] is None
    refused(alice.get(f"{path}?limit=0"), 400, "VALIDATION_ERROR")
    refused(mallory.get(path), 404, "NOT_FOUND")
