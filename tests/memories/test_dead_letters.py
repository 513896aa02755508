"""Turns that could not be learned from are kept, seen, and tried again when somebody says so."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connections, transaction
from django.utils import timezone

from analytics.models import ExtractionRecord
from ibex import dispatch
from ibex.tenancy import tenant
from memories.errors import DeadLetterResolved
from memories.learning import dead_letters
from memories.learning.dead_letters import retry_dead_letter
from memories.learning.steps import learn_from_dead_letter, learn_from_session
from memories.models import DeadLetter, Memory
from orgs.models import AuditEvent, Organization
from sessions.models import Session
from tests.conftest import FULL, TESTS, World
from tests.memories.model import ModelPeer, Reply, answered_somebody, fact, told
from tests.sessions.turns import make_session, record_turn

pytestmark = pytest.mark.usefixtures("no_embedding")

TEA = "The user likes tea."


def fail(world: World, model: ModelPeer, *said: str) -> DeadLetter:
    """Say something, and let the model answer nonsense."""
    session = make_session(world.scout, subject="ada")
    for text in said or ("I like tea.",):
        record_turn(session, text)
    model.will(Reply("nonsense"), Reply("nonsense"))
    learn_from_session(org_id=session.org_id, session_id=session.pk)
    with tenant(world.acme):
        return DeadLetter.objects.select_related("session").get(session=session)


def retry(letter: DeadLetter) -> DeadLetter:
    """Ask for another try, and make it as a worker does."""
    retry_dead_letter(dead_letter=letter, actor=TESTS)
    learn_from_dead_letter(org_id=letter.org_id, dead_letter_id=letter.pk)
    return again(letter)


def again(letter: DeadLetter) -> DeadLetter:
    with tenant(letter.org_id):
        return DeadLetter.objects.get(pk=letter.pk)


def memories(world: World) -> list[str]:
    with tenant(world.acme):
        return list(Memory.objects.order_by("created_at").values_list("content", flat=True))


def test_a_retry_heals(world: World, model: ModelPeer) -> None:
    letter = fail(world, model, "Hello.", "I like tea.")
    model.will(told(fact(TEA, 2)))
    healed = retry(letter)
    assert memories(world) == [TEA]
    assert healed.resolved_at is not None
    assert (healed.retry_after, healed.claimed_until, healed.attempts) == (None, None, 2)
    with tenant(world.acme):
        turn = letter.session.turns.get(index=1)
        memory = Memory.objects.get()
        assert ExtractionRecord.objects.filter(outcome="ok", turns=2).count() == 1
    assert (memory.source_turns, memory.subject) == ([turn.pk], "ada")


def test_only_the_turns_that_were_set_aside_are_asked_about(world: World, model: ModelPeer) -> None:
    letter = fail(world, model, "I like tea.")
    record_turn(letter.session, "I like coffee.")
    model.will()
    learn_from_session(org_id=letter.org_id, session_id=letter.session_id)
    record_turn(letter.session, "I like cake.")
    model.will(told(fact(TEA)))
    retry(letter)
    (asked,) = model.asked
    assert "I like tea." in str(asked)
    assert "coffee" not in str(asked)
    assert "cake" not in str(asked)
    with tenant(world.acme):
        session = Session.objects.get(pk=letter.session_id)
    assert (session.extracted_through, session.extract_after is None) == (1, False)


def test_a_retry_that_fails_leaves_it_open_with_one_attempt_more(
    world: World, model: ModelPeer
) -> None:
    letter = fail(world, model)
    refused = Reply(None, refusal="No.")
    model.will(refused, refused)
    failed = retry(letter)
    assert (failed.attempts, failed.reason) == (2, "refusal")
    assert (failed.retry_after, failed.claimed_until, failed.resolved_at) == (None, None, None)
    model.will(told(fact(TEA)))
    assert retry(letter).resolved_at is not None


def test_while_the_provider_is_away_it_stays_due_later_and_later(
    world: World, model: ModelPeer
) -> None:
    letter = fail(world, model)
    retry_dead_letter(dead_letter=letter, actor=TESTS)
    model.will(*[Reply(status=503)] * 3)
    waits = []
    for _attempt in range(3):
        answered_somebody()
        learn_from_dead_letter(org_id=letter.org_id, dead_letter_id=letter.pk)
        waiting = again(letter)
        waits.append((waiting.claimed_until - timezone.now()).total_seconds())
    assert [round(wait, -1) for wait in waits] == [60, 120, 240]
    assert (waiting.retry_after is None, waiting.attempts) == (False, 4)
    answered_somebody()
    learn_from_dead_letter(org_id=letter.org_id, dead_letter_id=letter.pk)
    assert again(letter).resolved_at is not None


def test_what_is_not_due_is_left_alone(world: World, model: ModelPeer) -> None:
    letter = fail(world, model)
    model.will(told(fact(TEA)))
    learn_from_dead_letter(org_id=letter.org_id, dead_letter_id=letter.pk)
    assert model.asked == []
    assert again(letter).attempts == 1
    retry(letter)
    learn_from_dead_letter(org_id=letter.org_id, dead_letter_id=letter.pk)
    assert len(model.asked) == 1


def test_what_is_resolved_is_not_tried_again(world: World, model: ModelPeer) -> None:
    letter = fail(world, model)
    retry(letter)
    with pytest.raises(DeadLetterResolved):
        retry_dead_letter(dead_letter=letter, actor=TESTS)


def test_asking_for_a_retry_is_audited_without_text(world: World, model: ModelPeer) -> None:
    letter = fail(world, model, "I like walruses.")
    retry_dead_letter(dead_letter=letter, actor=TESTS, reason="The model is back.")
    with tenant(world.acme):
        event = AuditEvent.objects.get(action="dead_letter.retry")
    assert (event.target_id, event.reason) == (letter.pk, "The model is back.")
    assert event.after == {"reason": "not_json", "attempts": 1}


def test_a_worker_that_dies_before_it_is_noted_writes_nothing_twice(
    world: World, model: ModelPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    letter = fail(world, model)
    retry_dead_letter(dead_letter=letter, actor=TESTS)
    with monkeypatch.context() as patched:
        patched.setattr(dead_letters, "resolve", lambda *_given: 1 / 0)
        model.will(told(fact(TEA)))
        with pytest.raises(ZeroDivisionError):
            learn_from_dead_letter(org_id=letter.org_id, dead_letter_id=letter.pk)
    assert again(letter).retry_after is not None
    model.will(told(fact(TEA)))
    learn_from_dead_letter(org_id=letter.org_id, dead_letter_id=letter.pk)
    assert memories(world) == [TEA]
    assert again(letter).resolved_at is not None


def test_the_dispatcher_sends_what_is_due_once_until_its_claim_expires(
    world: World, model: ModelPeer
) -> None:
    (claim,) = [statement for work, statement, _task in dispatch.CLAIMS if work == "dead letter"]
    letter = fail(world, model)
    mine = (world.acme.pk, letter.pk)
    assert mine not in dispatch.claim(claim)
    with tenant(world.acme):  # Postgres's now() is when the test's transaction began
        DeadLetter.objects.update(retry_after=timezone.now() - timedelta(minutes=1))
    assert mine in dispatch.claim(claim)
    assert mine not in dispatch.claim(claim)
    with tenant(world.acme):
        DeadLetter.objects.update(claimed_until=timezone.now() - timedelta(minutes=1))
    assert mine in dispatch.claim(claim)


@pytest.mark.parametrize("switch", ["agent", "org"])
def test_switched_off_meanwhile_nothing_is_sent_and_it_stays_open(
    world: World, model: ModelPeer, switch: str
) -> None:
    letter = fail(world, model)
    model.will()
    with tenant(world.acme):
        if switch == "agent":
            type(world.scout).objects.update(extraction_enabled=False)
        else:
            Organization.objects.filter(pk=world.acme.pk).update(memory_extraction_enabled=False)
    waiting = retry(letter)
    assert model.asked == []
    assert (waiting.retry_after, waiting.resolved_at, waiting.reason) == (None, None, "not_json")


def test_an_organization_that_is_being_deleted_tries_nothing_again(
    world: World, model: ModelPeer
) -> None:
    letter = fail(world, model)
    model.will()
    with tenant(world.acme):
        Organization.objects.filter(pk=world.acme.pk).update(status="deleting")
    assert retry(letter).attempts == 1
    assert model.asked == []


def test_mallory_cannot_have_another_orgs_turns_learned(world: World, model: ModelPeer) -> None:
    letter = fail(world, model)
    retry_dead_letter(dead_letter=letter, actor=TESTS)
    model.will(told(fact(TEA)))
    learn_from_dead_letter(org_id=world.elsewhere.pk, dead_letter_id=letter.pk)
    assert model.asked == []
    with tenant(world.elsewhere):
        assert not DeadLetter.objects.exists()
    learn_from_dead_letter(org_id=world.acme.pk, dead_letter_id=letter.pk)
    assert memories(world) == [TEA]


def test_a_dead_letter_that_is_resolved_cannot_be_due(world: World, model: ModelPeer) -> None:
    letter = fail(world, model)
    now = timezone.now()
    for wrong in ({"retry_after": now, "resolved_at": now}, {"first_turn": 5}):
        with pytest.raises(IntegrityError), transaction.atomic(), tenant(world.acme):
            DeadLetter.objects.filter(pk=letter.pk).update(**wrong)


def test_workers_at_the_same_turns_at_once_ask_and_write_once(
    committed_world: World, model: ModelPeer, django_db_blocker: Any
) -> None:
    workers = 8 if FULL else 4
    with django_db_blocker.unblock():
        letter = fail(committed_world, model)
        retry_dead_letter(dead_letter=letter, actor=TESTS)
    model.will(*[Reply(told(fact(TEA)).content, delay_s=0.3)] * workers)
    barrier = threading.Barrier(workers)

    def work() -> None:
        try:
            with django_db_blocker.unblock():
                barrier.wait()
                learn_from_dead_letter(org_id=letter.org_id, dead_letter_id=letter.pk)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with django_db_blocker.unblock():
        assert memories(committed_world) == [TEA]
        assert again(letter).attempts == 2
    assert len(model.asked) == 1
