"""An agent's page says what its memories are good for and whether its learning keeps up."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents.health import MemoryHealth, memory_health
from agents.models import Agent
from analytics.models import ExtractionRecord
from ibex.ids import uuid7
from ibex.tenancy import tenant
from memories import junk
from memories.models import Memory, MemoryUse, Passage
from sessions.models import Session
from tests.api.rows import make_dead_letter, make_memory, make_session, make_turn
from tests.conftest import World

pytestmark = pytest.mark.django_db

LONG_AGO = timedelta(days=8)


def health(agent: Agent, days: int = 30) -> MemoryHealth:
    with tenant(agent.org_id):
        return memory_health(agent, days)


def make_old(agent: Agent, content: str, **fields: Any) -> Memory:
    """Store a memory that had its time, of so many terms that it is not vague for that."""
    fields = {"length": 9, "created_at": timezone.now() - LONG_AGO, **fields}
    return make_memory(agent, content, **fields)


def pointing(*numbers: float) -> dict[str, Any]:
    """Give a memory an embedding of these numbers, and zeros."""
    vector = [*numbers, *[0.0] * (384 - len(numbers))]
    return {"embedding": vector, "embedding_model": "m", "embedding_dim": 384}


def extraction(agent: Agent, **fields: object) -> None:
    with tenant(agent.org_id):
        ExtractionRecord.objects.create(
            org_id=agent.org_id,
            agent_id=agent.pk,
            session_id=uuid7(),
            extractor="llm-1",
            model="m",
            turns=1,
            latency_ms=1,
            outcome=ExtractionRecord.Outcome.OK,
            **fields,
        )


def test_a_new_agent_has_nothing_to_complain_about(world: World) -> None:
    assert health(world.scout) == MemoryHealth(0, 0, 0, 0, 0, [], 0, 0, None, 0)


def test_memories_that_never_stood_in_a_prompt_are_counted(world: World) -> None:
    used, *_others = (make_old(world.scout, f"Fact {n}") for n in range(3))
    make_memory(world.scout, "A new one")
    make_old(world.scout, "No longer", status="archived")
    make_old(world.spy, "Elsewhere")
    with tenant(world.acme):
        MemoryUse.objects.create(memory=used, org=world.acme, injected_count=2)
    found = health(world.scout)
    assert (found.looked_at, found.never_recalled) == (3, 2)


@pytest.mark.parametrize(
    ("content", "fields", "is_vague"),
    [
        ("The team ships on Fridays.", {}, False),
        ("Likes it.", {"length": 1}, True),
        ("Likes it.", {"length": 1, "subject_key": "user.tea"}, False),
        ("They moved the release to the week after the fair.", {}, True),
        ("  this was decided at the yearly meeting in Oslo", {}, True),
        ("Theyborn Ltd. supplies the paper for the office.", {}, False),
        ("They moved the release.", {"subject_key": "release.date"}, False),
    ],
)
def test_what_names_nothing_is_vague(
    world: World, content: str, fields: dict[str, Any], is_vague: bool
) -> None:
    make_old(world.scout, content, **fields)
    assert health(world.scout).vague == is_vague


@pytest.mark.parametrize(
    ("content", "ends", "is_transient"),
    [
        ("The team ships on Fridays.", {}, False),
        ("The office is closed.", {"valid_until": 6}, True),
        ("The office is closed.", {"valid_until": 8}, False),
        ("The office is closed.", {"expires_at": 6}, True),
        ("Ada is currently on a train.", {}, True),
        ("Ada works from home this week.", {}, True),
        ("Ada prefers alternating current.", {}, False),
    ],
)
def test_what_holds_for_days_is_transient(
    world: World, content: str, ends: dict[str, int], is_transient: bool
) -> None:
    began = timezone.now() - LONG_AGO
    times = {name: began + timedelta(days=days) for name, days in ends.items()}
    make_old(world.scout, content, valid_from=began, observed_at=began, **times)
    assert health(world.scout).transient == is_transient


def test_memories_near_another_of_their_subject_are_counted(world: World) -> None:
    one = make_old(world.scout, "One", **pointing(1, 0))
    near = make_old(world.scout, "Near", **pointing(1, 0.1))
    make_old(world.scout, "Far", **pointing(1, 0.8))
    make_old(world.scout, "Without")
    make_old(world.scout, "Of Ada", subject="ada", **pointing(0, 1))
    make_old(world.scout, "Of Eve", subject="eve", **pointing(0, 1))
    make_memory(world.scout, "New", **pointing(0, 1, 1))
    make_memory(world.scout, "New too", **pointing(0, 1, 1))
    make_old(world.spy, "Elsewhere", **pointing(0, 0, 1))
    make_old(world.spy, "Elsewhere too", **pointing(0, 0, 1))
    found = health(world.scout)
    assert found.near_another == 2
    (pair,) = found.closest
    assert {pair.one, pair.other} == {one.pk, near.pk}
    assert pair.cosine == pytest.approx(0.995, abs=0.001)


def test_only_the_newest_are_looked_at(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(junk, "SAMPLE", 2)
    for number in range(3):
        make_old(world.scout, f"Fact {number}", **pointing(1, number / 100))
    found = health(world.scout)
    assert (found.looked_at, found.never_recalled, found.near_another) == (2, 2, 2)


def guarded(session: Session, index: int, *, days: int = 0, **fields: Any) -> None:
    said = timezone.now() - timedelta(days=days)
    turn = make_turn(session, index)
    for part in range(2):
        with tenant(session.org_id):
            Passage.objects.create(
                org_id=session.org_id,
                agent_id=session.agent_id,
                session=session,
                turn=turn,
                turn_index=index,
                part=part,
                role="user",
                text="Hello",
                said_at=said,
                **fields,
            )


def test_what_the_loop_guard_stopped_is_counted_by_turn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = make_session(world.scout)
    guarded(session, 0, loop_guarded=True)
    guarded(session, 1)
    guarded(session, 2, loop_guarded=True, days=40)
    guarded(make_session(world.spy), 0, loop_guarded=True)
    assert health(world.scout).loop_guard_stops == 1
    assert health(world.scout, days=60).loop_guard_stops == 2
    monkeypatch.setattr("agents.health.CAP", 0)
    assert health(world.scout, days=60).loop_guard_stops == 1


def test_learning_that_is_behind_is_seen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    session, later = make_session(world.scout), make_session(world.scout)
    due = timezone.now() - timedelta(minutes=3)
    with tenant(world.acme):
        Session.objects.filter(pk=later.pk).update(extract_after=timezone.now() + LONG_AGO)
    assert health(world.scout).waiting_since is None
    with tenant(world.acme):
        Session.objects.filter(pk=session.pk).update(extract_after=due)
    make_dead_letter(session)
    make_dead_letter(later, resolved_at=timezone.now())
    found = health(world.scout)
    assert (found.waiting_since, found.unlearned) == (due, 1)


def test_tokens_are_those_of_the_agent_and_of_the_days(world: World) -> None:
    extraction(world.scout, tokens_in=100, tokens_out=20)
    extraction(world.spy, tokens_in=7)
    with tenant(world.acme):
        old = timezone.now() - timedelta(days=31)
        ExtractionRecord.objects.filter(agent_id=world.scout.pk).update(created_at=old)
    extraction(world.scout, tokens_in=1, tokens_out=2)
    assert health(world.scout).tokens_learning == 3
