"""Reading the audit through the management API."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from agents.services import pause_agent
from ibex.ids import uuid7
from ibex.tenancy import tenant
from orgs import audit
from orgs.audit import Actor
from orgs.models import AuditEvent
from tests.api.conftest import Api, MakeApi, refused
from tests.conftest import TESTS, World

pytestmark = pytest.mark.usefixtures("api_urls")

PATH = "/api/v1/audit"


def actions(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [row["action"] for row in answer.json()["items"]]


def happened(world: World, action: str, request_id: str = "", actor_id: UUID | None = None) -> None:
    actor = Actor(
        AuditEvent.Actor.OPERATOR, actor_id or uuid7(), "bo@example.com", None, request_id
    )
    with tenant(world.acme):
        audit.record(action, world.scout, actor=actor, subject="acme-1093")


def test_an_event_says_who_what_and_why(world: World, alice: Api) -> None:
    alice.post(f"/api/v1/agents/{world.scout.pk}/pause", {"reason": "On holiday"})
    (row,) = alice.get(f"{PATH}?action=agent.paused").json()["items"]
    assert row["actor"]["type"] == "token"
    assert (row["target_type"], row["target_id"]) == ("agents.agent", str(world.scout.pk))
    assert (row["reason"], row["ip"]) == ("On holiday", "127.0.0.1")
    assert (row["before"], row["after"]) == ({"status": "active"}, {"status": "paused"})
    assert row["request_id"]


def test_events_are_listed_newest_first_and_filtered(world: World, alice: Api) -> None:
    bo, start = uuid7(), timezone.now()
    happened(world, "memory.archive", "r-1", bo)
    happened(world, "memory.delete", "r-1")
    happened(world, "agent.pause", "r-2")
    assert actions(alice.get(f"{PATH}?request_id=r-1")) == ["memory.delete", "memory.archive"]
    assert actions(alice.get(f"{PATH}?action=memory.")) == ["memory.delete", "memory.archive"]
    assert actions(alice.get(f"{PATH}?actor_id={bo}")) == ["memory.archive"]
    assert len(actions(alice.get(f"{PATH}?actor=BO@"))) == 3
    assert "agent.create" in actions(alice.get(f"{PATH}?target_id={world.scout.pk}"))
    assert set(actions(alice.get(f"{PATH}?target_type=orgs.token"))) == {"token.create"}
    later = (timezone.now() + timedelta(hours=1)).isoformat().replace("+", "%2B")
    began = start.isoformat().replace("+", "%2B")
    assert actions(alice.get(f"{PATH}?since={later}")) == []
    assert len(actions(alice.get(f"{PATH}?since={began}&until={later}&actor=bo"))) == 3
    for wrong in ("actor_id=x", "since=yesterday", "target_id=7", "colour=red"):
        refused(alice.get(f"{PATH}?{wrong}"), 400, "VALIDATION_ERROR")


def test_pages_follow_each_other_without_gaps(world: World, alice: Api) -> None:
    for number in range(5):
        happened(world, f"step.{number}", "r-9")
    seen: list[str] = []
    cursor = ""
    while True:
        page = alice.get(f"{PATH}?request_id=r-9&limit=2{cursor}").json()
        seen += [row["action"] for row in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == [f"step.{number}" for number in (4, 3, 2, 1, 0)]


def test_another_orgs_events_are_never_there(world: World, alice: Api, mallory: Api) -> None:
    happened(world, "memory.archive", "r-1")
    assert actions(alice.get(f"{PATH}?request_id=r-1")) == ["memory.archive"]
    assert actions(mallory.get(f"{PATH}?request_id=r-1")) == []


def test_a_token_of_one_agent_sees_what_was_done_to_it_alone(world: World, api: MakeApi) -> None:
    pause_agent(agent=world.scout, actor=TESTS)
    bound = api(world.token(agent=world.scout))
    assert actions(bound.get(PATH)) == ["agent.paused", "agent.create"]


def test_the_subject_is_named_until_it_is_erased(world: World, alice: Api) -> None:
    happened(world, "memory.archive", "r-1")
    (row,) = alice.get(f"{PATH}?request_id=r-1").json()["items"]
    assert row["subject"] == "acme-1093"


def test_the_list_reads_a_fixed_number_of_queries(
    world: World, alice: Api, django_assert_num_queries: Any
) -> None:
    alice.get(PATH)
    for _ in range(2):
        with django_assert_num_queries(6):
            alice.get(PATH)
        for number in range(3):
            happened(world, f"step.{number}")
