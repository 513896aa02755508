"""The audit in the console."""

from typing import Any

import pytest
from django.test import Client

from agents.services import pause_agent, update_agent
from ibex import distinct
from ibex.ids import uuid7
from ibex.tenancy import tenant
from memories.services import archive_memory, write_memory
from orgs import audit
from orgs.audit import Actor
from orgs.audit_trail import changes
from orgs.models import AuditEvent
from tests.conftest import TESTS, SignIn, World

PATH = "/audit/"


def acting(world: World, request_id: str = "r-1") -> Actor:
    kind = AuditEvent.Actor.OPERATOR
    return Actor(kind, world.alice.pk, world.alice.email, "192.0.2.7", request_id)


def test_an_event_shows_who_what_why_and_what_changed(world: World, sign_in: SignIn) -> None:
    pause_agent(agent=world.scout, actor=acting(world), reason="On holiday")
    page = sign_in(world.alice).get(f"{PATH}?action=agent.paused").content.decode()
    assert f'href="/agents/{world.scout.pk}/"' in page
    for words in (world.alice.email, "On holiday", "192.0.2.7", "active</del>", "paused</ins>"):
        assert words in page


def test_one_request_shows_all_it_did(world: World, sign_in: SignIn) -> None:
    update_agent(agent=world.scout, actor=acting(world), name="Scout II")
    pause_agent(agent=world.scout, actor=acting(world))
    pause_agent(agent=world.spy, actor=TESTS)
    page = sign_in(world.alice).get(f"{PATH}?request_id=r-1").content.decode()
    assert page.count('id="event-') == 2
    assert "Everything that request" in page
    page = sign_in(world.mallory).get(f"{PATH}?request_id=r-1").content.decode()
    assert "Nothing like that happened" in page


def test_memory_text_never_reaches_the_audit(
    world: World, sign_in: SignIn, embedder_away: None
) -> None:
    memory = write_memory(agent=world.scout, content="The walrus sings.", actor=TESTS).memory
    archive_memory(memory=memory, actor=acting(world), reason="Old")
    page = sign_in(world.alice).get(PATH).content.decode()
    assert f'href="/memories/{memory.pk}/"' in page
    assert "memory.archive" in page
    assert "walrus" not in page


def test_a_target_that_is_gone_has_no_link(world: World, sign_in: SignIn) -> None:
    gone = uuid7()
    with tenant(world.acme):
        world.scout.pk, kept = gone, world.scout.pk
        audit.record("agent.vanish", world.scout, actor=TESTS)
        world.scout.pk = kept
    page = sign_in(world.alice).get(f"{PATH}?action=agent.vanish").content.decode()
    assert str(gone)[-12:] in page
    assert f'href="/agents/{gone}/"' not in page


def test_only_what_differs_is_shown() -> None:
    found = changes({"a": 1, "b": "x", "c": None}, {"a": 2, "b": "x", "d": ["y", "z"]})
    assert [(one.name, one.before, one.after) for one in found] == [
        ("a", "1", "2"),
        ("c", "none", None),
        ("d", None, "y, z"),
    ]
    assert changes(None, None) == []
    (long,) = changes(None, {"a": "x" * 5_000})
    assert long.after is not None
    assert len(long.after) == 201
    (whole,) = changes(None, {"a": "x" * 5_000}, longest=None)
    assert whole.after == "x" * 5_000


@pytest.mark.parametrize(("role", "status"), [("admin", 200), ("member", 403), ("viewer", 403)])
def test_who_may_read_it(world: World, sign_in: SignIn, role: str, status: int) -> None:
    assert sign_in(world.member(role)).get(PATH).status_code == status


def test_nobody_reads_it_without_signing_in(world: World) -> None:
    assert Client().get(PATH).status_code == 302


@pytest.mark.parametrize("query", ["actor_id=x", "since=yesterday", "colour=red"])
def test_a_question_that_makes_no_sense_is_said(world: World, sign_in: SignIn, query: str) -> None:
    answer = sign_in(world.alice).get(f"{PATH}?{query}")
    assert answer.status_code == 400
    assert b'id="event-' not in answer.content


def test_a_cursor_that_no_page_gave_is_a_missing_page(world: World, sign_in: SignIn) -> None:
    assert sign_in(world.alice).get(f"{PATH}?cursor=nonsense").status_code == 404


def test_the_list_reads_a_fixed_number_of_queries(
    world: World, sign_in: SignIn, django_assert_num_queries: Any
) -> None:
    client = sign_in(world.alice)
    client.get(PATH)
    for _ in range(2):
        with django_assert_num_queries(12):
            client.get(PATH)
        for _ in range(3):
            pause_agent(agent=world.scout, actor=acting(world))


def test_one_event_has_a_page_and_a_fragment_for_the_list(world: World, sign_in: SignIn) -> None:
    pause_agent(agent=world.scout, actor=acting(world), reason="On holiday")
    with tenant(world.acme):
        event = AuditEvent.objects.get(action="agent.paused")
    client, address = sign_in(world.alice), f"{PATH}{event.pk}/"
    assert f'data-peek="{address}"' in client.get(PATH).content.decode()
    page = client.get(address)
    part = client.get(address, headers={"HX-Request": "true"})
    assert b"<html" in page.content
    assert b"<html" not in part.content
    for answer in (page, part):
        for words in (
            "On holiday",
            "192.0.2.7",
            "r-1",
            f"/agents/{world.scout.pk}/",
            "paused</ins>",
        ):
            assert words in answer.content.decode()
    assert sign_in(world.mallory).get(address).status_code == 404
    assert sign_in(world.member("viewer")).get(address).status_code == 403


@pytest.mark.parametrize(
    ("query", "is_there"),
    [
        ("actor=ALICE", True),
        ("actor=nobody", False),
        ("action=agent.", True),
        ("action=Agent.paused", True),
        ("action=memory.", False),
        ("actor_type=operator", True),
        ("actor_type=token", False),
        ("not_actor_type=operator", False),
    ],
)
def test_it_is_narrowed_by_who_and_what(
    world: World, sign_in: SignIn, query: str, is_there: bool
) -> None:
    pause_agent(agent=world.scout, actor=acting(world), reason="On holiday")
    page = sign_in(world.alice).get(f"{PATH}?{query}").content.decode()
    assert ("On holiday" in page) == is_there
    pause_agent(agent=world.spy, actor=acting(world), reason="Not hers")
    assert "Not hers" not in sign_in(world.alice).get(f"{PATH}?{query}").content.decode()


def test_with_very_many_actors_words_are_still_found(
    world: World, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    pause_agent(agent=world.scout, actor=acting(world), reason="On holiday")
    monkeypatch.setattr(distinct, "MOST", 0)
    client = sign_in(world.alice)
    for query, is_there in (("actor=ALICE&action=AGENT", True), ("actor=nobody", False)):
        page = client.get(f"{PATH}?{query}").content.decode()
        assert ("On holiday" in page) == is_there, query
