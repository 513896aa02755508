"""What could not be learned from, through the management API."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from agents.services import create_agent
from ibex.ids import uuid7
from ibex.tenancy import tenant
from memories.models import DeadLetter
from orgs.models import AuditEvent
from orgs.permissions import ALL, Permission
from tests.api.conftest import Api, MakeApi, refused
from tests.api.rows import make_dead_letter, make_session
from tests.conftest import TESTS, World

pytestmark = pytest.mark.usefixtures("api_urls")

PATH = "/api/v1/dead-letters"


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["items"]]


def test_dead_letters_are_listed_newest_first_open_or_resolved(world: World, alice: Api) -> None:
    session = make_session(world.scout)
    resolved = str(make_dead_letter(session, resolved_at=timezone.now()).pk)
    waiting = str(make_dead_letter(session).pk)
    make_dead_letter(make_session(world.spy))
    assert ids(alice.get(PATH)) == [waiting, resolved]
    assert ids(alice.get(f"{PATH}?status=open")) == [waiting]
    assert ids(alice.get(f"{PATH}?status=resolved")) == [resolved]
    assert ids(alice.get(f"{PATH}?agent={world.scout.pk}&limit=1")) == [waiting]
    refused(alice.get(f"{PATH}?status=lost"), 400, "VALIDATION_ERROR")
    refused(alice.get(f"{PATH}?agent={world.spy.pk}"), 400, "VALIDATION_ERROR")


def test_a_dead_letter_says_where_and_why(world: World, alice: Api) -> None:
    session = make_session(world.scout)
    letter = make_dead_letter(session)
    (row,) = alice.get(PATH).json()["items"]
    created_at = row.pop("created_at")
    assert created_at
    assert row == {
        "id": str(letter.pk),
        "agent_id": str(world.scout.pk),
        "session_id": str(session.pk),
        "first_turn": 0,
        "last_turn": 0,
        "reason": "schema",
        "extractor": "llm-1/gpt",
        "attempts": 1,
        "retry_after": None,
        "resolved_at": None,
    }


def test_dead_letters_are_walked_in_pages(world: World, alice: Api) -> None:
    session = make_session(world.scout)
    made = [str(make_dead_letter(session).pk) for _ in range(3)]
    first = alice.get(f"{PATH}?limit=2").json()
    make_dead_letter(session)
    second = alice.get(f"{PATH}?limit=2&cursor={first['next_cursor']}").json()
    assert [row["id"] for row in first["items"] + second["items"]] == made[::-1]
    assert second["next_cursor"] is None


def test_a_retry_makes_the_turns_due(world: World, alice: Api) -> None:
    letter = make_dead_letter(make_session(world.scout))
    answer = alice.post(f"{PATH}/{letter.pk}/retry", {"reason": "The model is back."})
    assert answer.status_code == 200
    assert answer.json()["retry_after"] is not None
    with tenant(world.acme):
        assert DeadLetter.objects.get().retry_after is not None
        event = AuditEvent.objects.get(action="dead_letter.retry")
    assert (event.target_id, event.reason) == (letter.pk, "The model is back.")
    assert alice.post(f"{PATH}/{letter.pk}/retry").status_code == 200


def test_what_is_resolved_is_a_conflict(world: World, alice: Api) -> None:
    letter = make_dead_letter(make_session(world.scout), resolved_at=timezone.now())
    refused(alice.post(f"{PATH}/{letter.pk}/retry"), 409, "DEAD_LETTER_RESOLVED")
    with tenant(world.acme):
        assert not AuditEvent.objects.filter(action="dead_letter.retry").exists()


def test_mallory_finds_nothing_to_retry(world: World, alice: Api, mallory: Api) -> None:
    letter = make_dead_letter(make_session(world.scout))
    assert ids(mallory.get(PATH)) == []
    refused(mallory.post(f"{PATH}/{letter.pk}/retry"), 404, "NOT_FOUND")
    with tenant(world.acme):
        assert DeadLetter.objects.get().retry_after is None
    assert ids(alice.get(PATH)) == [str(letter.pk)]


def test_a_token_of_another_agent_finds_nothing_either(world: World, api: MakeApi) -> None:
    letter = make_dead_letter(make_session(world.scout))
    other = create_agent(
        org=world.acme, name="Other", slug="other", memory_scope="agent", actor=TESTS
    )
    bound = api(world.token(agent=other))
    assert ids(bound.get(PATH)) == []
    refused(bound.post(f"{PATH}/{letter.pk}/retry"), 404, "NOT_FOUND")
    assert ids(api(world.token(agent=world.scout)).get(PATH)) == [str(letter.pk)]


def test_it_takes_the_permission_for_jobs(world: World, api: MakeApi) -> None:
    letter = make_dead_letter(make_session(world.scout))
    without = api(world.token(permissions=ALL & ~Permission.JOB_MANAGE))
    for answer in (without.get(PATH), without.post(f"{PATH}/{letter.pk}/retry")):
        refused(answer, 403, "INSUFFICIENT_PERMISSIONS")
    alone = api(world.token(permissions=Permission.JOB_MANAGE))
    assert ids(alone.get(PATH)) == [str(letter.pk)]
    assert alone.post(f"{PATH}/{letter.pk}/retry").status_code == 200


def test_a_viewer_neither_sees_nor_retries_them(world: World) -> None:
    letter = make_dead_letter(make_session(world.scout))
    client = Client()
    client.force_login(world.member("viewer"))
    refused(client.get(PATH), 403, "INSUFFICIENT_PERMISSIONS")
    refused(client.post(f"{PATH}/{letter.pk}/retry"), 403, "INSUFFICIENT_PERMISSIONS")
    with tenant(world.acme):
        assert DeadLetter.objects.get().retry_after is None


def test_a_retry_takes_a_reason_and_nothing_else(world: World, alice: Api) -> None:
    letter = make_dead_letter(make_session(world.scout))
    answer = alice.post(f"{PATH}/{letter.pk}/retry", {"force": True})
    assert refused(answer, 400, "VALIDATION_ERROR")["param"] == "force"
    refused(alice.post(f"{PATH}/{uuid7()}/retry"), 404, "NOT_FOUND")


def test_the_list_reads_a_fixed_number_of_queries(
    world: World, alice: Api, django_assert_num_queries: Any
) -> None:
    session = make_session(world.scout)
    for _ in range(10):
        make_dead_letter(session)
    alice.get(PATH)
    with django_assert_num_queries(6):  # token; transaction and tenant: 4; rows
        alice.get(PATH)
