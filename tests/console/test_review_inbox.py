"""The review inbox: both sides of what waits, and one decision after the other."""

import pytest
from django.test import Client

from ibex.tenancy import tenant
from memories.models import Memory
from memories.services import write_memory
from orgs.models import AuditEvent
from tests.conftest import TESTS, SignIn, World
from tests.sessions.turns import make_session, record_turn

INBOX = "/memories/review/"
DATES = {"until": "2030-01-01T00:00:00", "begins": "2030-01-01T00:00:00"}


@pytest.fixture
def alice(world: World, sign_in: SignIn) -> Client:
    return sign_in(world.alice)


@pytest.fixture
def pair(world: World) -> tuple[Memory, Memory]:
    """What is known, pinned; and what contradicts it, said in a conversation."""
    common = {"agent": world.scout, "actor": TESTS, "subject_key": "budget"}
    known = write_memory(content="The budget is 10,000.", pinned=True, **common).memory
    turn = record_turn(make_session(world.scout), "Our budget is 12,000 now.")
    said = write_memory(
        content="The budget is 12,000.", source="extracted", source_turns=[turn.pk], **common
    ).memory
    assert said.status == "pending_review"
    return known, said


def standing(*memories: Memory) -> list[str]:
    with tenant(memories[0].org_id):
        return [Memory.objects.get(pk=memory.pk).status for memory in memories]


def test_both_sides_are_shown_with_their_turns(alice: Client, pair: tuple[Memory, Memory]) -> None:
    text = alice.get(INBOX).content.decode()
    for words in ("The budget is 10,000.", "The budget is 12,000.", "Our budget is 12,000 now."):
        assert words in text
    assert "Would replace a pinned memory." in text
    assert "?begin=0#turn-0" in text


def test_an_empty_inbox_says_so(alice: Client) -> None:
    assert b"Nothing waits for review" in alice.get(INBOX).content


@pytest.mark.parametrize(
    ("decision", "after"),
    [
        ("keep", ["active", "active"]),
        ("replace", ["superseded", "active"]),
        ("keep-both", ["active", "active"]),
        ("reject", ["active", "deleted"]),
    ],
)
def test_a_decision_is_carried_out_audited_and_undone(
    world: World, alice: Client, pair: tuple[Memory, Memory], decision: str, after: list[str]
) -> None:
    address = f"/memories/{pair[1].pk}/{decision}/"
    page = alice.post(address, {**DATES, "reason": "Asked Ada"}, follow=True).content.decode()
    assert standing(*pair) == after
    assert "Nothing waits for review" in page
    with tenant(world.acme):
        event = AuditEvent.objects.filter(target_id=pair[1].pk).order_by("-at")[0]
    assert event.reason == "Asked Ada"
    alice.post(f"/memories/undo/{event.request_id}/")
    assert standing(*pair) == ["active", "pending_review"]


def test_htmx_gets_the_inbox_without_the_page(alice: Client, pair: tuple[Memory, Memory]) -> None:
    answer = alice.post(f"/memories/{pair[1].pk}/reject/", headers={"HX-Request": "true"})
    assert answer.content.strip().startswith(b'<div id="review"')
    assert b"Rejected. It can be restored." in answer.content


def test_what_was_decided_meanwhile_is_said(alice: Client, pair: tuple[Memory, Memory]) -> None:
    for status in (302, 409):
        assert alice.post(f"/memories/{pair[1].pk}/keep/").status_code == status
    assert standing(*pair) == ["active", "active"]


def test_dates_are_needed_to_keep_both(alice: Client, pair: tuple[Memory, Memory]) -> None:
    for dates in ({}, {"until": "soon", "begins": "later"}):
        assert alice.post(f"/memories/{pair[1].pk}/keep-both/", dates).status_code == 400
    early = {"until": "1999-01-01T00:00:00", "begins": "1999-01-01T00:00:00"}
    answer = alice.post(f"/memories/{pair[1].pk}/keep-both/", early)
    assert b"cannot end before it begins" in answer.content
    assert standing(*pair) == ["active", "pending_review"]


@pytest.mark.parametrize("decision", ["keep", "replace", "keep-both", "reject"])
def test_others_do_not_decide(
    world: World, sign_in: SignIn, pair: tuple[Memory, Memory], decision: str
) -> None:
    address = f"/memories/{pair[1].pk}/{decision}/"
    viewer = sign_in(world.member("viewer"))
    assert viewer.post(address, DATES).status_code == 403
    assert "does not decide about memories" in viewer.get(INBOX).content.decode()
    mallory = sign_in(world.mallory)
    assert mallory.post(address, DATES).status_code == 404
    assert b"budget" not in mallory.get(INBOX).content
    assert Client().post(address).status_code == 302
    assert standing(*pair) == ["active", "pending_review"]


def test_the_inbox_costs_the_same_however_much_waits(
    world: World, alice: Client, pair: tuple[Memory, Memory], django_assert_num_queries: object
) -> None:
    alice.get(INBOX)
    with django_assert_num_queries(11):  # type: ignore[operator]
        alice.get(INBOX)
    for number in range(4):
        other = write_memory(
            agent=world.scout,
            content=f"The budget is {number},500.",
            actor=TESTS,
            subject_key="budget",
        )
        assert other.memory.status == "pending_review"
    with django_assert_num_queries(11):  # type: ignore[operator]
        alice.get(INBOX)
