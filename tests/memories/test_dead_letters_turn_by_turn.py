"""Turns that cannot be learned from together are learned from one by one, and the bad ones stay."""

from datetime import timedelta

import pytest
from django.utils import timezone

from ibex import dispatch
from ibex.tenancy import tenant
from memories.learning import dead_letters
from memories.learning.dead_letters import retry_dead_letter
from memories.learning.steps import learn_from_dead_letter, learn_from_session
from memories.models import DeadLetter
from tests.conftest import TESTS, World
from tests.memories.model import ModelPeer, Reply, answered_somebody, fact, told
from tests.memories.test_dead_letters import again, memories, retry
from tests.sessions.turns import make_session, record_turn

pytestmark = pytest.mark.usefixtures("no_embedding")

DRINKS = ("tea", "coffee", "cocoa")
NONSENSE = [Reply("nonsense")] * 2
TOO_LONG = Reply(status=400)


def likes(drink: str) -> Reply:
    return told(fact(f"The user likes {drink}."))


def content(drink: str) -> str:
    return f"The user likes {drink}."


def set_aside(world: World, model: ModelPeer, *answers: Reply) -> DeadLetter:
    """Say what one likes in three turns, and let the model not take them."""
    session = make_session(world.scout)
    for drink in DRINKS:
        record_turn(session, f"I like {drink}.")
    model.will(*answers)
    learn_from_session(org_id=session.org_id, session_id=session.pk)
    with tenant(world.acme):
        return DeadLetter.objects.select_related("session").get(session=session)


def work(letter: DeadLetter) -> DeadLetter:
    """Do what a worker does with a letter that is due."""
    learn_from_dead_letter(org_id=letter.org_id, dead_letter_id=letter.pk)
    return again(letter)


def asked_about(model: ModelPeer) -> list[str]:
    """Name the drinks of each call."""
    texts = [asked["messages"][1]["content"] for asked in model.asked]
    return [" ".join(drink for drink in DRINKS if drink in text) for text in texts]


def open_letters(world: World) -> list[tuple[int, int, str, bool]]:
    with tenant(world.acme):
        rows = DeadLetter.objects.open().order_by("first_turn")
        return [(r.first_turn, r.last_turn, r.reason, r.retry_after is not None) for r in rows]


def test_turns_that_are_too_long_together_are_learned_one_by_one(
    world: World, model: ModelPeer
) -> None:
    letter = set_aside(world, model, TOO_LONG)
    model.will(*[likes(drink) for drink in DRINKS])
    waiting = retry(letter)
    assert (waiting.first_turn, waiting.last_turn, waiting.attempts) == (1, 2, 1)
    assert (waiting.retry_after is None, waiting.claimed_until) == (False, None)
    assert work(letter).first_turn == 2
    done = work(letter)
    assert (done.resolved_at is None, done.retry_after) == (False, None)
    assert memories(world) == [content(drink) for drink in DRINKS]
    assert asked_about(model) == list(DRINKS)


def test_one_that_fails_alone_too_gets_a_letter_of_its_own(world: World, model: ModelPeer) -> None:
    letter = set_aside(world, model, Reply(finish_reason="length"), Reply(finish_reason="length"))
    model.will(likes("tea"), TOO_LONG, likes("cocoa"))
    retry(letter)
    work(letter)
    assert open_letters(world) == [
        (1, 1, "request_refused", False),
        (2, 2, "truncated", True),
    ]
    assert work(letter).resolved_at is not None
    assert memories(world) == [content("tea"), content("cocoa")]
    (bad,) = [row for row in open_letters(world) if row[0] == 1]
    assert bad == (1, 1, "request_refused", False)
    with tenant(world.acme):
        own = DeadLetter.objects.open().get()
    model.will(likes("coffee"))
    assert retry(own).resolved_at is not None
    assert len(memories(world)) == 3


def test_the_last_one_that_fails_is_what_is_left_of_the_letter(
    world: World, model: ModelPeer
) -> None:
    letter = set_aside(world, model, TOO_LONG)
    model.will(likes("tea"), likes("coffee"), TOO_LONG)
    retry(letter)
    work(letter)
    left = work(letter)
    assert open_letters(world) == [(2, 2, "request_refused", False)]
    assert (left.first_turn, left.attempts) == (2, 2)


def test_one_retry_tries_them_together_and_then_one_by_one(world: World, model: ModelPeer) -> None:
    letter = set_aside(world, model, *NONSENSE)
    refused = Reply(None, refusal="No.")
    model.will(refused, refused, likes("tea"), *NONSENSE, likes("cocoa"))
    waiting = retry(letter)
    assert (waiting.first_turn, waiting.reason, waiting.attempts) == (0, "refusal", 2)
    assert waiting.retry_after is not None
    for _turn in range(3):
        work(letter)
    assert asked_about(model) == [" ".join(DRINKS)] * 2 + ["tea", "coffee", "coffee", "cocoa"]
    assert open_letters(world) == [(1, 1, "not_json", False)]
    assert again(letter).resolved_at is not None


def test_what_is_left_is_due_at_once(world: World, model: ModelPeer) -> None:
    (claim,) = [statement for work, statement, _task in dispatch.CLAIMS if work == "dead letter"]
    letter = set_aside(world, model, TOO_LONG)
    model.will(likes("tea"))
    assert retry(letter).retry_after is not None
    with tenant(world.acme):  # Postgres's now() is when the test's transaction began
        DeadLetter.objects.update(retry_after=timezone.now() - timedelta(minutes=1))
    assert (letter.org_id, letter.pk) in dispatch.claim(claim)


def test_a_provider_that_goes_away_in_between_loses_nothing(world: World, model: ModelPeer) -> None:
    letter = set_aside(world, model, TOO_LONG)
    model.will(likes("tea"), Reply(status=503), likes("coffee"), likes("cocoa"))
    retry(letter)
    waiting = work(letter)
    assert (waiting.first_turn, waiting.attempts) == (1, 2)
    assert open_letters(world) == [(1, 2, "request_refused", True)]
    answered_somebody()
    work(letter)
    assert work(letter).resolved_at is not None
    assert memories(world) == [content(drink) for drink in DRINKS]


@pytest.mark.parametrize("step", ["resolve", "put_back"])
def test_a_worker_that_dies_in_between_does_nothing_twice(
    world: World, model: ModelPeer, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    letter = set_aside(world, model, TOO_LONG)
    answer = likes("tea") if step == "resolve" else TOO_LONG
    retry_dead_letter(dead_letter=letter, actor=TESTS)
    model.will(answer, answer, likes("coffee"), likes("cocoa"))
    with monkeypatch.context() as patched:
        patched.setattr(dead_letters, step, lambda *_given, **_named: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            work(letter)
    for _turn in range(3):
        work(letter)
    assert again(letter).resolved_at is not None
    drinks = DRINKS if step == "resolve" else DRINKS[1:]
    assert memories(world) == [content(drink) for drink in drinks]
    left = [] if step == "resolve" else [(0, 0, "request_refused", False)]
    assert open_letters(world) == left


def test_the_same_failure_noted_twice_makes_one_letter(world: World, model: ModelPeer) -> None:
    letter = set_aside(world, model, TOO_LONG)
    retry_dead_letter(dead_letter=letter, actor=TESTS)
    with tenant(world.acme):
        stale = DeadLetter.objects.select_related("session").get(pk=letter.pk)
        turns = list(stale.session.turns.order_by("index")[:1])
    for _again in range(2):
        dead_letters.put_back(stale, turns, reason="schema", extractor="llm-1/gpt")
    assert open_letters(world) == [(0, 0, "schema", False), (1, 2, "request_refused", True)]
