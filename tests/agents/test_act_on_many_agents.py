"""A bulk action acts on exactly what was confirmed."""

from typing import Any

import pytest
from django.http import QueryDict
from django.test import Client

from agents.filters import AgentFilter
from agents.models import Agent
from agents.services import archive_agent, create_agent
from ibex.ids import uuid7
from ibex.tenancy import tenant
from orgs.models import AuditEvent
from tests.conftest import TESTS, SignIn, World

PAUSE = "/agents/bulk/pause/"


@pytest.fixture(autouse=True)
def console_urls(settings: Any) -> None:
    settings.ROOT_URLCONF = "ibex.urls.dashboard"


@pytest.fixture
def many(world: World) -> list[Agent]:
    return [
        create_agent(
            org=world.acme, name=f"Helper {n}", slug=f"h-{n}", memory_scope="agent", actor=TESTS
        )
        for n in range(3)
    ]


@pytest.fixture
def alice(world: World, sign_in: SignIn) -> Client:
    return sign_in(world.alice)


def signed(world: World, query: str) -> str:
    with tenant(world.acme):
        filters = AgentFilter(QueryDict(query), Agent.objects.all(), org_id=world.acme.pk)
        return filters.signed()


def paused(world: World) -> set[str]:
    with tenant(world.acme):
        return set(Agent.objects.filter(status="paused").values_list("name", flat=True))


def test_the_first_step_says_what_will_happen_and_changes_nothing(
    world: World, alice: Client, many: list[Agent]
) -> None:
    answer = alice.post(PAUSE, {"scope": "query", "query": signed(world, "name=helper")})
    text = answer.content.decode()
    assert answer.status_code == 200
    assert "Pause 3 agents" in text
    assert "Name contains “helper”" in text
    assert all(agent.name in text for agent in many)
    assert '<input type="hidden" name="expected" value="3">' in text
    assert paused(world) == set()


def test_confirming_acts_on_all_that_matches(
    world: World, alice: Client, many: list[Agent]
) -> None:
    sent = {"scope": "query", "query": signed(world, "name=helper"), "expected": "3"}
    answer = alice.post(PAUSE, {**sent, "reason": "Maintenance"}, follow=True)
    assert b"Paused 3 agents." in answer.content
    assert paused(world) == {"Helper 0", "Helper 1", "Helper 2"}
    with tenant(world.acme):
        events = AuditEvent.objects.filter(action="agent.paused", reason="Maintenance")
        assert events.count() == 3
        assert len(set(events.values_list("request_id", flat=True))) == 1  # one group


def test_an_empty_count_confirms_nothing(world: World, alice: Client, many: list[Agent]) -> None:
    sent = {"scope": "query", "query": signed(world, "name=helper"), "expected": ""}
    answer = alice.post(PAUSE, {**sent, "reason": "Maintenance"})
    assert b'name="expected" value="3"' in answer.content  # it is the first step
    assert paused(world) == set()


def test_a_count_that_changed_answers_409_with_the_new_one(
    world: World, alice: Client, many: list[Agent]
) -> None:
    sent = {"scope": "query", "query": signed(world, "name=helper"), "expected": "2"}
    answer = alice.post(PAUSE, {**sent, "reason": "Maintenance"})
    assert answer.status_code == 409
    assert b"2 were confirmed, and now 3 match" in answer.content
    assert b'name="expected" value="3"' in answer.content
    assert paused(world) == set()


def test_ids_act_on_these_rows_only(world: World, alice: Client, many: list[Agent]) -> None:
    sent = {"scope": "ids", "ids": [many[0].pk, many[2].pk], "expected": "2", "reason": "Because"}
    alice.post(PAUSE, sent)
    assert paused(world) == {"Helper 0", "Helper 2"}


@pytest.mark.parametrize("sent", [{}, {"scope": "ids"}, {"scope": "ids", "expected": "0"}])
def test_no_ids_never_means_all(
    world: World, alice: Client, many: list[Agent], sent: dict[str, str]
) -> None:
    answer = alice.post(PAUSE, {**sent, "reason": "Because"}, follow=True)
    assert b"Nothing is selected." in answer.content
    assert paused(world) == set()


@pytest.mark.parametrize(
    "sent",
    [
        {"scope": "ids", "ids": ["nonsense"]},
        {"scope": "everything"},
        {"scope": "query", "query": "nonsense"},
        {"scope": "query"},
    ],
)
def test_a_malformed_selection_is_refused(
    world: World, alice: Client, many: list[Agent], sent: dict[str, Any]
) -> None:
    answer = alice.post(PAUSE, {**sent, "reason": "Because", "expected": "4"}, follow=True)
    assert b"notice bad" in answer.content
    assert paused(world) == set()


def test_an_id_that_is_gone_is_not_passed_over(
    world: World, alice: Client, many: list[Agent]
) -> None:
    sent = {"scope": "ids", "ids": [many[0].pk, uuid7()], "expected": "2", "reason": "Because"}
    assert alice.post(PAUSE, sent).status_code == 409
    assert paused(world) == set()


def test_another_orgs_rows_cannot_be_selected(
    world: World, sign_in: SignIn, many: list[Agent]
) -> None:
    mallory = sign_in(world.mallory)
    by_id = {"scope": "ids", "ids": [many[0].pk], "expected": "1", "reason": "Because"}
    assert mallory.post(PAUSE, by_id).status_code == 409
    by_query = {"scope": "query", "query": signed(world, "name=helper"), "expected": "3"}
    mallory.post(PAUSE, {**by_query, "reason": "Because"})
    assert paused(world) == set()


def test_a_viewer_sees_the_button_with_the_reason_and_is_refused(
    world: World, sign_in: SignIn, many: list[Agent]
) -> None:
    viewer = sign_in(world.member("viewer"))
    text = viewer.get("/agents/").content.decode()
    assert "Your role, viewer, does not pause or activate agents." in text
    sent = {"scope": "ids", "ids": [many[0].pk], "expected": "1", "reason": "Because"}
    assert viewer.post(PAUSE, sent).status_code == 403
    assert paused(world) == set()


def test_a_reason_is_required(world: World, alice: Client, many: list[Agent]) -> None:
    sent = {"scope": "ids", "ids": [many[0].pk], "expected": "1", "reason": ""}
    assert alice.post(PAUSE, sent).status_code == 400
    assert paused(world) == set()


def test_rows_that_refuse_are_said(world: World, alice: Client, many: list[Agent]) -> None:
    archive_agent(agent=many[1], actor=TESTS)
    sent = {"scope": "query", "query": signed(world, "name=helper"), "expected": "3"}
    answer = alice.post(PAUSE, {**sent, "reason": "Because"}, follow=True)
    assert b"Paused 2 agents." in answer.content
    assert b"Helper 1 is archived, which is final." in answer.content


def test_anonymous_is_asked_to_sign_in(world: World) -> None:
    assert Client().post(PAUSE, {}).status_code == 302


def test_a_get_is_no_bulk_action(alice: Client) -> None:
    assert alice.get(PAUSE).status_code == 405
