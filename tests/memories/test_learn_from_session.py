"""What was said in a session becomes memories and passages, exactly once."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from agents.models import Agent
from agents.services import create_agent
from ibex.tenancy import tenant
from memories.extraction import CandidateMemory, TurnText
from memories.learning import dead_letters, steps
from memories.learning.steps import learn_from_session
from memories.models import Memory, MemoryVersion, Passage
from orgs.models import Organization
from sessions.models import Session
from tests.conftest import FULL, TESTS, World
from tests.sessions.turns import make_session, record_turn

pytestmark = pytest.mark.usefixtures("no_embedding")


def learn(session: Session) -> Session:
    learn_from_session(org_id=session.org_id, session_id=session.pk)
    with tenant(session.org_id):
        return Session.objects.get(pk=session.pk)


def contents(org: Organization) -> list[str]:
    with tenant(org):
        found = Memory.objects.filter(status="active").order_by("created_at", "pk")
        return list(found.values_list("content", flat=True))


def test_a_fact_becomes_a_memory_that_names_its_turn(world: World) -> None:
    session = make_session(world.scout)
    said = "My database host is db.smoketest.example.com. Please confirm you noted that."
    turn = record_turn(session, said)
    learned = learn(session)
    with tenant(world.acme):
        memory = Memory.objects.get()
    assert memory.content == "The user's database host is db.smoketest.example.com."
    assert memory.source_turns == [turn.pk]
    assert (memory.source, memory.subject_key) == ("extracted", "user.database.host")
    assert memory.valid_from == turn.created_at
    assert learned.extracted_through == 0
    assert learned.extract_after is None
    assert learned.first_unextracted_at is None
    assert learned.extract_claimed_until is None


def test_the_first_turn_is_learned_like_every_other(world: World) -> None:
    session = make_session(world.scout)
    for number in range(3):
        record_turn(session, f"My dog number {number} is Rex {number}.")
    assert learn(session).extracted_through == 2
    assert len(contents(world.acme)) == 3


def test_learning_twice_changes_nothing(world: World) -> None:
    session = make_session(world.scout)
    record_turn(session, "My host is a. Actually, my host is b. I like tea.")
    learn(session)
    with tenant(world.acme):
        Session.objects.update(extract_after=timezone.now(), extracted_through=-1)
        before = [Memory.objects.count(), MemoryVersion.objects.count(), Passage.objects.count()]
    learn(session)
    with tenant(world.acme):
        after = [Memory.objects.count(), MemoryVersion.objects.count(), Passage.objects.count()]
    assert before == after
    assert contents(world.acme) == ["The user's host is b.", "The user likes tea."]


def test_only_what_users_say_is_learned(world: World) -> None:
    session = make_session(world.scout)
    messages = [
        {"role": "system", "content": "My host is system.example.com."},
        {"role": "assistant", "content": "My host is assistant.example.com."},
        {"role": "tool", "tool_call_id": "1", "content": "My host is tool.example.com."},
        {"role": "user", "content": "What is the weather?"},
    ]
    record_turn(session, messages, answer="My host is answer.example.com.")
    learn(session)
    assert contents(world.acme) == []


def test_a_turn_that_arrives_meanwhile_stays_due(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = make_session(world.scout)
    record_turn(session, "I like tea.")
    extract = steps.get_extractor().extract

    def extract_slowly(turns: list[TurnText]) -> list[CandidateMemory]:
        record_turn(session, "I like coffee.", due_in=timedelta(seconds=3))
        return extract(turns)

    monkeypatch.setattr(steps.get_extractor(), "extract", extract_slowly)
    learned = learn(session)
    assert learned.extracted_through == 0
    assert learned.extract_after is not None
    assert learned.first_unextracted_at is not None
    monkeypatch.undo()
    learn(session)
    assert contents(world.acme) == ["The user likes tea.", "The user likes coffee."]


def test_a_long_session_is_learned_in_batches(world: World) -> None:
    session = make_session(world.scout)
    for number in range(steps.BATCH + 2):
        record_turn(session, f"Hello number {number}.")
    learned = learn(session)
    assert learned.extracted_through == steps.BATCH - 1
    assert learned.extract_after is not None
    assert learned.extract_after <= timezone.now()
    learned = learn(session)
    assert learned.extracted_through == steps.BATCH + 1
    assert learned.extract_after is None


def test_people_of_one_agent_do_not_share_what_they_said(world: World) -> None:
    for subject in ("ada", "bob"):
        session = make_session(world.scout, subject=subject)
        record_turn(session, "I like tea.")
        learn(session)
    with tenant(world.acme):
        subjects = Memory.objects.order_by("subject").values_list("subject", "visibility")
        assert list(subjects) == [("ada", "agent"), ("bob", "agent")]


def test_without_a_subject_a_personal_agent_keeps_it_to_the_session(world: World) -> None:
    agent = create_agent(
        org=world.acme, name="Own", slug="own", memory_scope=Agent.MemoryScope.SUBJECT, actor=TESTS
    )
    nobody, ada = make_session(agent), make_session(agent, subject="ada")
    for session in (nobody, ada):
        record_turn(session, "I like tea.")
        learn(session)
    with tenant(world.acme):
        own = Memory.objects.get(subject=None)
        hers = Memory.objects.get(subject="ada")
    assert (own.visibility, own.session_id) == ("session", nobody.pk)
    assert (hers.visibility, hers.session_id) == ("agent", None)


@pytest.mark.parametrize("switch", ["agent", "org"])
def test_switched_off_nothing_is_learned_and_nothing_is_findable(world: World, switch: str) -> None:
    session = make_session(world.scout)
    record_turn(session, "I like tea.")
    with tenant(world.acme):
        if switch == "agent":
            Agent.objects.update(extraction_enabled=False)
        else:
            Organization.objects.filter(pk=world.acme.pk).update(memory_extraction_enabled=False)
    assert learn(session).extract_after is None
    assert contents(world.acme) == []
    with tenant(world.acme):
        passage = Passage.objects.get()
    assert (passage.status, passage.hidden_because) == ("hidden", "extraction off")
    assert passage.text == ""


def test_an_organization_that_is_being_deleted_learns_nothing(world: World) -> None:
    session = make_session(world.scout)
    record_turn(session, "I like tea.")
    with tenant(world.acme):
        Organization.objects.filter(pk=world.acme.pk).update(status="deleting")
    learn(session)
    with tenant(world.acme):
        assert (Memory.objects.count(), Passage.objects.count()) == (0, 0)


def test_a_skipped_turn_is_neither_learned_nor_copied(world: World) -> None:
    session = make_session(world.scout)
    record_turn(session, "I like tea.", skip_extraction=True)
    record_turn(session, "I like coffee.")
    learn(session)
    assert contents(world.acme) == ["The user likes coffee."]
    with tenant(world.acme):
        skipped = Passage.objects.get(turn_index=0)
    assert (skipped.status, skipped.hidden_because) == ("hidden", "extraction skipped")
    assert skipped.text == ""


def test_an_error_is_tried_again_later_and_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = make_session(world.scout)
    record_turn(session, "I like tea.")
    waits = []
    with monkeypatch.context() as patched:
        patched.setattr(steps, "index_turns", broken)
        for _attempt in range(3):
            with pytest.raises(RuntimeError):
                learn(session)
            with tenant(world.acme):
                row = Session.objects.get(pk=session.pk)
            waits.append((row.extract_claimed_until - timezone.now()).total_seconds())
    assert [round(wait, -1) for wait in waits] == [60, 120, 240]
    assert row.extract_attempts == 3
    learned = learn(session)
    assert (learned.extract_attempts, learned.extract_after) == (0, None)
    assert contents(world.acme) == ["The user likes tea."]


def broken(*_args: Any, **_options: Any) -> None:
    raise RuntimeError


def test_a_bad_turn_does_not_hold_up_those_before_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = make_session(world.scout)
    record_turn(session, "I like tea.")
    bad = record_turn(session, "I like poison.")
    extract = steps.get_extractor().extract

    def choke(turns: list[TurnText]) -> list[CandidateMemory]:
        if any(turn.turn_id == bad.pk for turn in turns):
            raise RuntimeError
        return extract(turns)

    monkeypatch.setattr(steps.get_extractor(), "extract", choke)
    for _attempt in range(dead_letters.CAREFUL_AFTER):
        with pytest.raises(RuntimeError):
            learn(session)
    learn(session)
    assert contents(world.acme) == ["The user likes tea."]


def test_a_refused_candidate_does_not_hold_up_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = make_session(world.scout)
    record_turn(session, "I like tea.")
    extract = steps.get_extractor().extract

    def exaggerate(turns: list[TurnText]) -> list[CandidateMemory]:
        found = extract(turns)
        fields = {**found[0].__dict__, "content": "long " * 3_000}
        return [CandidateMemory(**fields), *found]

    monkeypatch.setattr(steps.get_extractor(), "extract", exaggerate)
    assert learn(session).extract_after is None
    assert contents(world.acme) == ["The user likes tea."]


def test_a_session_that_is_not_due_or_gone_is_no_error(world: World) -> None:
    session = make_session(world.scout)
    assert learn(session).extract_attempts == 0
    learn_from_session(org_id=world.acme.pk, session_id=world.scout.pk)


def test_another_orgs_session_is_missing(world: World) -> None:
    session = make_session(world.scout)
    record_turn(session, "I like tea.")
    learn_from_session(org_id=world.elsewhere.pk, session_id=session.pk)
    assert contents(world.acme) == []
    assert contents(world.elsewhere) == []
    learn(session)
    assert contents(world.acme) == ["The user likes tea."]


def test_workers_at_the_same_session_at_once_learn_it_once(
    committed_world: World, django_db_blocker: Any
) -> None:
    workers = 8 if FULL else 4
    with django_db_blocker.unblock():
        session = make_session(committed_world.scout)
        for number in range(3):
            record_turn(session, f"My host {number} is host-{number}.example.com.")
    barrier = threading.Barrier(workers)

    def work() -> None:
        try:
            with django_db_blocker.unblock():
                barrier.wait()
                learn_from_session(org_id=session.org_id, session_id=session.pk)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with django_db_blocker.unblock(), tenant(committed_world.acme):
        assert Memory.objects.count() == 3
        assert Passage.objects.count() == 6
        assert MemoryVersion.objects.count() == 3
        assert Session.objects.get(pk=session.pk).extracted_through == 2
