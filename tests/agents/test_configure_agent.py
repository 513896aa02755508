"""Agents: made with a decision about their memory, changed, paused, retired."""

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from agents.errors import AgentArchived
from agents.models import Agent
from agents.services import activate_agent, archive_agent, create_agent, pause_agent, update_agent
from ibex.tenancy import tenant
from orgs.models import AuditEvent
from tests.conftest import TESTS, World


def test_the_memory_scope_is_a_decision(world: World) -> None:
    with pytest.raises(TypeError, match="memory_scope"):
        create_agent(org=world.acme, name="A", slug="a", actor=TESTS)  # type: ignore[call-arg]
    with pytest.raises(ValidationError):
        create_agent(org=world.acme, name="A", slug="a", memory_scope="everyone", actor=TESTS)
    agent = create_agent(org=world.acme, name="A", slug="a", memory_scope="subject", actor=TESTS)
    assert (agent.max_injected_memories, agent.memory_budget_tokens) == (20, 2000)
    assert agent.memory_position == "last_user"


def test_a_slug_is_taken_once_in_an_org_and_never_changes(world: World) -> None:
    with pytest.raises(ValidationError, match="has this slug"):
        create_agent(org=world.acme, name="S", slug="scout", memory_scope="agent", actor=TESTS)
    create_agent(org=world.elsewhere, name="S", slug="scout", memory_scope="agent", actor=TESTS)
    for name in ("slug", "memory_scope", "org_id"):
        with pytest.raises(TypeError):
            update_agent(agent=world.scout, actor=TESTS, **{name: "x"})


@pytest.mark.parametrize("slug", ["Scout", "sc out", "", "scout_1", "é"])
def test_a_slug_is_lower_case_words(world: World, slug: str) -> None:
    with pytest.raises(ValidationError):
        create_agent(org=world.acme, name="S", slug=slug, memory_scope="agent", actor=TESTS)


def test_a_change_is_written_down_with_its_before(world: World) -> None:
    update_agent(agent=world.scout, actor=TESTS, memory_budget_tokens=500)
    with tenant(world.acme):
        (event,) = AuditEvent.objects.filter(action="agent.update")
        assert (event.before, event.after) == (
            {"memory_budget_tokens": 2000},
            {"memory_budget_tokens": 500},
        )
        assert Agent.objects.get(pk=world.scout.pk).memory_budget_tokens == 500


def test_archiving_is_final(world: World) -> None:
    pause_agent(agent=world.scout, actor=TESTS)
    assert activate_agent(agent=world.scout, actor=TESTS).status == "active"
    archive_agent(agent=world.scout, actor=TESTS)
    for change in (pause_agent, activate_agent, archive_agent):
        with pytest.raises(AgentArchived):
            change(agent=world.scout, actor=TESTS)
    with pytest.raises(AgentArchived):
        update_agent(agent=world.scout, actor=TESTS, name="Other")


def test_the_database_itself_refuses_an_unknown_status(world: World) -> None:
    with (
        pytest.raises(IntegrityError, match="status"),
        transaction.atomic(),
        tenant(world.acme),
    ):
        Agent.objects.filter(pk=world.scout.pk).update(status="asleep")
