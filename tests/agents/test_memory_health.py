"""An agent's page says what its memories are good for and whether its learning keeps up."""

from datetime import timedelta

import pytest
from django.utils import timezone

from agents.health import MemoryHealth, memory_health
from agents.models import Agent
from analytics.models import ExtractionRecord
from ibex.ids import uuid7
from ibex.tenancy import tenant
from memories.models import MemoryUse
from sessions.models import Session
from tests.api.rows import make_dead_letter, make_memory, make_session
from tests.conftest import World

pytestmark = pytest.mark.django_db

LONG_AGO = timedelta(days=8)


def health(agent: Agent) -> MemoryHealth:
    with tenant(agent.org_id):
        return memory_health(agent, 30)


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
    assert health(world.scout) == MemoryHealth(0, 0, "0", None, 0)


def test_memories_that_never_stood_in_a_prompt_are_counted(world: World) -> None:
    old = timezone.now() - LONG_AGO
    used, *_others = (make_memory(world.scout, f"Fact {n}", created_at=old) for n in range(3))
    make_memory(world.scout, "A new one")
    make_memory(world.scout, "No longer", created_at=old, status="archived")
    make_memory(world.spy, "Elsewhere", created_at=old)
    with tenant(world.acme):
        MemoryUse.objects.create(memory=used, org=world.acme, injected_count=2)
    found = health(world.scout)
    assert (found.looked_at, found.never_recalled) == (3, 2)


def test_learning_that_is_behind_is_seen(world: World) -> None:
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
    assert (found.waiting_since, found.unlearned) == (due, "1")


def test_tokens_are_those_of_the_agent_and_of_the_days(world: World) -> None:
    extraction(world.scout, tokens_in=100, tokens_out=20)
    extraction(world.spy, tokens_in=7)
    with tenant(world.acme):
        old = timezone.now() - timedelta(days=31)
        ExtractionRecord.objects.filter(agent_id=world.scout.pk).update(created_at=old)
    extraction(world.scout, tokens_in=1, tokens_out=2)
    assert health(world.scout).tokens_learning == 3
