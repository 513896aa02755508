"""What an agent did and holds, in numbers."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, Q, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from agents.models import Agent
from analytics.models import RequestRecord
from ibex.counts import CappedCount
from memories.models import Memory
from sessions.models import Session

FAILURES_FROM = 400


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
    """Count an agent's calls of the last `days` and its rows, inside the tenant."""
    since = timezone.now() - timedelta(days=days)
    calls = RequestRecord.objects.filter(org=agent.org_id, agent_id=agent.pk, created_at__gte=since)
    counted = calls.aggregate(
        requests=Count("id"),
        failed=Count("id", filter=Q(status__gte=FAILURES_FROM)),
        tokens_in=Coalesce(Sum("tokens_in"), 0),
        tokens_out=Coalesce(Sum("tokens_out"), 0),
        tokens_cached=Coalesce(Sum("tokens_cached"), 0),
        memories_injected=Coalesce(Sum("memories_injected"), 0),
        tokens_injected=Coalesce(Sum("context_tokens"), 0),
        last_request_at=Max("created_at"),
    )
    return AgentStats(days=days, **_held(agent, since), **counted)


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
