"""What an agent did and holds, in numbers."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from agents.models import Agent
from analytics.hours import calls_since, hour_of
from ibex.counts import CappedCount
from memories.models import Memory
from sessions.models import Session

SUMMED = (
    "requests",
    "failed",
    "tokens_in",
    "tokens_out",
    "tokens_cached",
    "memories_injected",
    "tokens_injected",
)
"""What of an hour's calls is added up."""


@dataclass(frozen=True)
class AgentStats:
    """Calls within `days`, and what the agent has now.

    Sessions and memories are counted no further than one past `ibex.counts.CAP`.
    """

    days: int
    requests: int
    failed: int
    tokens_in: int
    tokens_out: int
    tokens_cached: int
    memories_injected: int
    tokens_injected: int
    last_request_at: datetime | None
    sessions: int
    memories: dict[str, int]


def agent_stats(agent: Agent, days: int) -> AgentStats:
    """Count an agent's calls of the last `days`, from a full hour on, and its rows.

    Call it inside the tenant.
    """
    since = hour_of(timezone.now()) - timedelta(days=days)
    calls = calls_since(agent.org_id, since, agent.pk)
    counted = {name: sum(getattr(hour, name) for hour in calls) for name in SUMMED}
    last = max((hour.last_request_at for hour in calls), default=None)
    return AgentStats(days=days, last_request_at=last, **_held(agent, since), **counted)


def _held(agent: Agent, since: datetime) -> dict[str, Any]:
    """Count sessions and memories in one query, and none of them further than the cap."""
    mine = {"org": agent.org_id, "agent": agent.pk}
    held = Memory.objects.filter(**mine)
    by_status = {status: CappedCount(held.filter(status=status)) for status in Memory.Status.values}
    sessions = CappedCount(Session.objects.filter(**mine, created_at__gte=since))
    rows = Agent.objects.filter(pk=agent.pk).values_list(sessions, *by_status.values())
    begun, *counts = rows.get()
    memories = {status: count for status, count in zip(by_status, counts, strict=True) if count}
    return {"sessions": begun, "memories": memories}
