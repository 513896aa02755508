"""Conversations through the management API."""

import zlib
from typing import Any

import orjson
import pytest

from agents.services import create_agent
from ibex.ids import uuid7
from ibex.tenancy import tenant
from orgs.models import AuditEvent
from sessions import api as sessions_api
from sessions.models import Session, Turn
from tests.api.conftest import Api, MakeApi, refused
from tests.api.rows import make_call, make_session, make_turn
from tests.conftest import TESTS, World

pytestmark = pytest.mark.usefixtures("api_urls")

PATH = "/api/v1/sessions"


def names(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [row["external_id"] for row in answer.json()["items"]]


def test_sessions_are_listed_newest_first(world: World, alice: Api) -> None:
    make_session(world.scout, "first")
    make_session(world.scout, "second", subject="ada", status="completed")
    make_session(world.spy, "spied")
    assert names(alice.get(PATH)) == ["second", "first"]
    assert names(alice.get(f"{PATH}?subject=ada")) == ["second"]
    assert names(alice.get(f"{PATH}?status=active")) == ["first"]
    assert names(alice.get(f"{PATH}?external_id=first")) == ["first"]
    assert names(alice.get(f"{PATH}?agent_id={world.scout.pk}&limit=1")) == ["second"]
    refused(alice.get(f"{PATH}?agent_id={world.spy.pk}"), 400, "VALIDATION_ERROR")
    refused(alice.get(f"{PATH}?status=asleep"), 400, "VALIDATION_ERROR")
    refused(alice.get(f"{PATH}?order=up"), 400, "VALIDATION_ERROR")


def test_sessions_are_narrowed_and_ordered_as_on_the_page(world: World, alice: Api) -> None:
    make_session(world.scout, "first", turn_count=3, directive_version=2)
    make_session(world.scout, "second", error_count=1)
    assert names(alice.get(f"{PATH}?min_turns=3")) == ["first"]
    assert names(alice.get(f"{PATH}?has_errors=true")) == ["second"]
    assert names(alice.get(f"{PATH}?directive_version=2")) == ["first"]
    assert names(alice.get(f"{PATH}?not_status=completed&sort=oldest")) == ["first", "second"]
    walked = alice.get(f"{PATH}?sort=oldest&limit=1").json()
    rest = alice.get(f"{PATH}?sort=oldest&limit=1&cursor={walked['next_cursor']}")
    assert names(rest) == ["second"]
    refused(alice.get(f"{PATH}?sort=loudest"), 400, "VALIDATION_ERROR")
    refused(alice.get(f"{PATH}?min_turns=-1"), 400, "VALIDATION_ERROR")


def test_sessions_are_narrowed_by_how_their_calls_ended(world: World, alice: Api) -> None:
    for name, codes in (("slow", ["PROVIDER_TIMEOUT"]), ("both", ["PROVIDER_TIMEOUT", "peer"])):
        session = make_session(world.scout, name, error_count=len(codes))
        for code in codes:
            make_call(world.scout, session_id=session.pk, status=502, error_code=code)
    make_session(world.scout, "well")
    assert names(alice.get(f"{PATH}?error=PROVIDER_TIMEOUT")) == ["both", "slow"]
    assert names(alice.get(f"{PATH}?error=peer")) == ["both"]
    assert names(alice.get(f"{PATH}?error=PEER")) == []
    assert names(alice.get(f"{PATH}?not_error=peer")) == ["well", "slow"]
    refused(alice.get(f"{PATH}?error={'x' * 65}"), 400, "VALIDATION_ERROR")


def test_a_session_is_shown_without_its_words(world: World, alice: Api) -> None:
    session = make_session(world.scout, "chat-1", subject="ada")
    make_turn(session, 0, "My secret is walrus")
    answer = alice.get(f"{PATH}/{session.pk}")
    row = answer.json()
    assert set(row) == {
        "id",
        "agent_id",
        "external_id",
        "subject",
        "status",
        "turn_count",
        "tokens_in",
        "tokens_out",
        "error_count",
        "directive_version",
        "branched_from_id",
        "branched_at_turn",
        "created_at",
        "last_turn_at",
        "completed_at",
    }
    assert (row["external_id"], row["subject"], row["turn_count"]) == ("chat-1", "ada", 1)
    assert b"walrus" not in answer.content


def test_turns_are_read_in_order_with_their_words(world: World, alice: Api) -> None:
    session = make_session(world.scout)
    for index in range(3):
        make_turn(session, index, f"Question {index}", f"Answer {index}")
    items = alice.get(f"{PATH}/{session.pk}/turns").json()["items"]
    assert [turn["index"] for turn in items] == [0, 1, 2]
    assert items[1]["messages"] == [{"role": "user", "content": "Question 1"}]
    assert items[1]["answer"] == "Answer 1"
    assert items[1]["model"] == "gpt"


def test_turns_are_walked_in_pages(world: World, alice: Api) -> None:
    session = make_session(world.scout)
    for index in range(5):
        make_turn(session, index)
    first = alice.get(f"{PATH}/{session.pk}/turns?limit=3").json()
    make_turn(session, 5)
    path = f"{PATH}/{session.pk}/turns?limit=3&cursor={first['next_cursor']}"
    second = alice.get(path).json()
    assert [turn["index"] for turn in first["items"] + second["items"]] == [0, 1, 2, 3, 4, 5]
    assert second["next_cursor"] is None


def test_a_page_of_long_turns_ends_early_and_loses_none(
    world: World, alice: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions_api, "MAX_PAGE_BYTES", 1)
    session = make_session(world.scout)
    for index in range(3):
        make_turn(session, index)
    seen, cursor = [], ""
    while cursor is not None:
        page = alice.get(f"{PATH}/{session.pk}/turns{cursor}").json()
        seen += [turn["index"] for turn in page["items"]]
        assert len(page["items"]) == 1
        cursor = page["next_cursor"] and f"?cursor={page['next_cursor']}"
    assert seen == [0, 1, 2]


def test_a_session_without_turns_is_an_empty_page(world: World, alice: Api) -> None:
    session = make_session(world.scout)
    answer = alice.get(f"{PATH}/{session.pk}/turns")
    assert answer.json() == {"items": [], "next_cursor": None}


@pytest.mark.parametrize(
    ("request_body", "completion"),
    [
        (b"not zlib", b"not zlib"),
        (zlib.compress(b"not json"), zlib.compress(b"")),
        (zlib.compress(b'{"messages": "none"}'), zlib.compress(b'{"choices": 5}')),
        (zlib.compress(b'{"messages": [{"role": "user", "content": "\\ud800"}]}'), b""),
    ],
)
def test_a_turn_that_cannot_be_read_does_not_hide_the_others(
    world: World, alice: Api, request_body: bytes, completion: bytes
) -> None:
    session = make_session(world.scout)
    whole = make_turn(session, 0)
    with tenant(world.acme):
        Turn.objects.create(
            org=world.acme,
            agent=world.scout,
            session=session,
            index=1,
            request=request_body,
            completion=completion,
            model="gpt",
            provider="local",
            latency_ms=1,
        )
    answer = alice.get(f"{PATH}/{session.pk}/turns")
    assert answer.status_code == 200
    items = orjson.loads(answer.content)["items"]
    assert items[0]["id"] == str(whole.pk)
    assert items[0]["answer"] == "Hi there"
    assert len(items) == 2


def test_a_session_is_ended(world: World, alice: Api) -> None:
    session = make_session(world.scout)
    row = alice.post(f"{PATH}/{session.pk}/terminate").json()
    assert row["status"] == "completed"
    assert row["completed_at"] is not None
    assert alice.post(f"{PATH}/{session.pk}/terminate", {}).json() == row
    with tenant(world.acme):
        assert Session.objects.get(pk=session.pk).extract_after is not None
        assert AuditEvent.objects.filter(action__startswith="session.").count() == 1


def test_ending_a_session_takes_nothing(world: World, alice: Api) -> None:
    session = make_session(world.scout)
    answer = alice.post(f"{PATH}/{session.pk}/terminate", {"how": "abandoned"})
    assert refused(answer, 400, "VALIDATION_ERROR")["param"] == "how"


def test_a_token_of_another_agent_sees_no_session(world: World, api: MakeApi) -> None:
    make_session(world.scout, "scouts")
    other = create_agent(
        org=world.acme, name="Other", slug="other", memory_scope="agent", actor=TESTS
    )
    assert names(api(world.token(agent=other)).get(PATH)) == []
    assert names(api(world.token(agent=world.scout)).get(PATH)) == ["scouts"]


def test_lists_read_a_fixed_number_of_queries(
    world: World, alice: Api, django_assert_num_queries: Any
) -> None:
    session = make_session(world.scout)
    for index in range(10):
        make_turn(session, index)
        make_session(world.scout)
    alice.get(PATH)
    with django_assert_num_queries(6):  # token; transaction and tenant: 4; rows
        alice.get(PATH)
    with django_assert_num_queries(8):  # and the session, and the sizes of its turns
        alice.get(f"{PATH}/{session.pk}/turns")


def test_what_does_not_exist_is_not_found(alice: Api) -> None:
    for path in ("", "/turns"):
        refused(alice.get(f"{PATH}/{uuid7()}{path}"), 404, "NOT_FOUND")
    refused(alice.post(f"{PATH}/{uuid7()}/terminate"), 404, "NOT_FOUND")
