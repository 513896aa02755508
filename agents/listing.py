"""Agents with what they hold, as the console lists them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery

from agents.models import Agent
from directives.models import Directive
from ibex.counts import CappedCount, capped
from memories.models import Memory
from sessions.models import Session


@dataclass(frozen=True)
class AgentRow:
    """One agent, its counts, when it last spoke, and the directive version it runs."""

    agent: Agent
    memories: str
    sessions: str
    last_turn_at: datetime | None
    directive_version: int | None


def counted_agents(org_id: UUID) -> QuerySet[Any]:
    """Return the organization's agents with their counts, in one query."""
    memories = Memory.objects.active().filter(agent=OuterRef("pk"))
    sessions = Session.objects.filter(agent=OuterRef("pk"))
    directives = Directive.objects.filter(agent=OuterRef("pk"))
    return Agent.objects.filter(org=org_id).annotate(
        memory_count=CappedCount(memories),
        session_count=CappedCount(sessions),
        last_turn_at=Subquery(sessions.order_by("-last_turn_at").values("last_turn_at")[:1]),
        directive_number=Subquery(directives.values("active_version__number")[:1]),
    )


def agent_row(agent: Any) -> AgentRow:
    """Show one row of `counted_agents`."""
    return AgentRow(
        agent,
        capped(agent.memory_count),
        capped(agent.session_count),
        agent.last_turn_at,
        agent.directive_number,
    )
