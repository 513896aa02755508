"""One change to many memories: exactly those that were confirmed, and taken back together."""

from typing import Any

import pytest
from django.http import QueryDict
from django.test import Client

from ibex.tenancy import tenant
from jobs.models import Job
from jobs.running import run_job
from memories.filters import MemoryFilter
from memories.models import Memory
from memories.services import delete_memory, write_memory
from orgs.models import AuditEvent
from tests.api.rows import make_memory
from tests.conftest import TESTS, SignIn, World

BECAUSE = {"reason": "Out of date"}


@pytest.fixture
def alice(world: World, sign_in: SignIn) -> Client:
    return sign_in(world.alice)


@pytest.fixture
def many(world: World) -> list[Memory]:
    return [
        write_memory(
            agent=world.scout, content=f"Item {number} is blue", actor=TESTS, tags=["old"]
        ).memory
        for number in range(3)
    ]


def path(action: str) -> str:
    return f"/memories/bulk/{action}/"


def signed(world: World, query: str) -> str:
    with tenant(world.acme):
        rows = Memory.objects.filter(org=world.acme)
        return MemoryFilter(QueryDict(query), rows, org_id=world.acme.pk).signed()


def standing(world: World) -> list[str]:
    with tenant(world.acme):
        return sorted(Memory.objects.values_list("status", flat=True))


def all_blue(world: World, expected: int = 3) -> dict[str, Any]:
    return {"scope": "query", "query": signed(world, "q=blue"), "expected": expected, **BECAUSE}


def test_the_first_step_shows_what_will_be_changed(
    world: World, alice: Client, many: list[Memory]
) -> None:
    sent = {"scope": "query", "query": signed(world, "q=blue")}
    text = alice.post(path("archive"), sent).content.decode()
    assert "Archive 3 memories" in text
    assert "Item 1 is blue" in text
    assert "none deleted" in text
    assert standing(world) == ["active"] * 3


def test_all_that_matches_is_changed_under_one_request_and_undone(
    world: World, alice: Client, many: list[Memory]
) -> None:
    make_memory(world.scout, "Something else")
    page = alice.post(path("archive"), all_blue(world), follow=True).content.decode()
    assert "Archived 3 memories." in page
    assert standing(world) == ["active"] + ["archived"] * 3
    with tenant(world.acme):
        events = AuditEvent.objects.filter(action="memory.archive", reason="Out of date")
        (request_id,) = set(events.values_list("request_id", flat=True))
        assert events.count() == 3
    undo = f"/memories/undo/{request_id}/?next=%2Fmemories%2F"
    assert undo in page
    undone = alice.post(undo, follow=True)
    assert undone.redirect_chain == [("/memories/", 302)]
    assert "3 memories are as before" in undone.content.decode()
    assert standing(world) == ["active"] * 4
    assert "or was undone already" in alice.post(undo, follow=True).content.decode()


def test_a_count_that_changed_stops_it(world: World, alice: Client, many: list[Memory]) -> None:
    answer = alice.post(path("delete"), all_blue(world, expected=2))
    assert answer.status_code == 409
    assert b"2 were confirmed, and now 3 match" in answer.content
    assert standing(world) == ["active"] * 3


def test_what_cannot_be_changed_is_said(world: World, alice: Client, many: list[Memory]) -> None:
    delete_memory(memory=many[0], actor=TESTS)
    sent = {"scope": "ids", "ids": [row.pk for row in many], "expected": 3, **BECAUSE}
    text = alice.post(path("archive"), sent, follow=True).content.decode()
    assert "Archived 2 memories." in text
    assert "A memory that is deleted cannot be archived." in text


def test_many_are_tagged(world: World, alice: Client, many: list[Memory]) -> None:
    first = alice.post(path("tag"), {"scope": "query", "query": signed(world, "tag=old")})
    assert b'name="add"' in first.content
    sent = {**all_blue(world), "add": "new, fresh", "remove": "old"}
    assert "Tagged 3 memories." in alice.post(path("tag"), sent, follow=True).content.decode()
    with tenant(world.acme):
        assert {tuple(row.tags) for row in Memory.objects.all()} == {("new", "fresh")}
    assert alice.post(path("tag"), all_blue(world)).status_code == 400  # no tag was named


def test_more_than_500_become_a_job_that_takes_nothing_learned_later(
    world: World, alice: Client
) -> None:
    for number in range(501):
        make_memory(world.scout, f"Thing {number}", category="procedural")
    sent = {"scope": "query", "query": signed(world, "category=procedural"), **BECAUSE}
    answer = alice.post(path("archive"), {**sent, "expected": 501})
    with tenant(world.acme):
        job = Job.objects.get()
    assert answer["Location"] == f"/jobs/{job.pk}/"
    assert (job.title, job.total, job.owner_label) == (
        "Archive 501 memories",
        501,
        world.alice.email,
    )
    late = make_memory(world.scout, "Late thing", category="procedural")
    for _slice in range(9):
        run_job(org_id=world.acme.pk, job_id=job.pk)
    with tenant(world.acme):
        job.refresh_from_db()
        assert (job.state, job.done, job.failed) == ("done", 501, 0)
        assert Memory.objects.get(pk=late.pk).status == "active"
        assert Memory.objects.filter(status="archived").count() == 501
        events = AuditEvent.objects.filter(action="memory.archive")
        assert set(events.values_list("request_id", flat=True)) == {job.request_id}


@pytest.mark.parametrize("action", ["archive", "restore", "tag", "delete"])
def test_another_orgs_memories_cannot_be_chosen(
    world: World, sign_in: SignIn, many: list[Memory], action: str
) -> None:
    mallory = sign_in(world.mallory)
    by_id = {"scope": "ids", "ids": [many[0].pk], "expected": 1, **BECAUSE}
    assert mallory.post(path(action), by_id).status_code == 409
    mallory.post(path(action), all_blue(world))
    assert standing(world) == ["active"] * 3


def test_a_role_does_what_it_may(world: World, sign_in: SignIn, many: list[Memory]) -> None:
    one = {"scope": "ids", "ids": [many[0].pk], "expected": 1, **BECAUSE}
    viewer, member = sign_in(world.member("viewer")), sign_in(world.member("member"))
    assert viewer.post(path("archive"), one).status_code == 403
    assert member.post(path("delete"), one).status_code == 403
    assert "does not delete memories" in member.get("/memories/").content.decode()
    assert member.post(path("archive"), one).status_code == 302
    assert standing(world) == ["active", "active", "archived"]


def test_nobody_undoes_what_another_did(
    world: World, alice: Client, sign_in: SignIn, many: list[Memory]
) -> None:
    alice.post(path("archive"), all_blue(world))
    with tenant(world.acme):
        request_id = AuditEvent.objects.filter(action="memory.archive")[0].request_id
    for person in (world.mallory, world.member("admin")):
        sign_in(person).post(f"/memories/undo/{request_id}/")
        assert standing(world) == ["archived"] * 3
    viewer = sign_in(world.member("viewer"))
    assert viewer.post(f"/memories/undo/{request_id}/").status_code == 403


def test_undo_leads_to_no_other_site(alice: Client, world: World) -> None:
    answer = alice.post(f"/memories/undo/{world.acme.pk}/?next=https://evil.example/")
    assert answer["Location"] == "/memories/"
