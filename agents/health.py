"""Whether an agent's memories are worth keeping, and whether its learning keeps up."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Min, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from agents.models import Agent
from analytics.models import ExtractionRecord
from ibex.counts import CAP, capped
from memories.models import DeadLetter, Memory
from sessions.models import Session

SAMPLE = 1_000
"""Memories that are looked at, the newest of those that have had their time."""
TIME_TO_BE_RECALLED = timedelta(days=7)


@dataclass(frozen=True)
class MemoryHealth:
    """What an agent's memories are good for, and what its learning costs.

    `never_recalled` of `looked_at` memories, active and older than a week, never stood in a prompt.
    `unlearned` counts open dead letters, capped. `waiting_since` is when the oldest turn was due to
    be learned from, None when none is overdue. `tokens_learning` is what the extractor's model
    took within the days asked for; the rules take none.
    """

    looked_at: int
    never_recalled: int
    unlearned: str
    waiting_since: datetime | None
    tokens_learning: int


def memory_health(agent: Agent, days: int) -> MemoryHealth:
    """Look at an agent's memories and at its learning, inside the tenant; four queries."""
    now = timezone.now()
    mine = {"org": agent.org_id, "agent": agent.pk}
    settled = Memory.objects.filter(**mine, created_at__lt=now - TIME_TO_BE_RECALLED).active()
    newest = settled.order_by("-created_at", "-pk").values("pk")[:SAMPLE]
    sample = Memory.objects.filter(pk__in=newest).aggregate(all=Count("pk"), used=Count("use"))
    letters = DeadLetter.objects.filter(**mine).open().order_by().values("pk")[: CAP + 1]
    overdue = Session.objects.filter(**mine, extract_after__lt=now)
    calls = ExtractionRecord.objects.filter(
        org=agent.org_id, agent_id=agent.pk, created_at__gte=now - timedelta(days=days)
    )
    tokens = calls.aggregate(
        taken=Coalesce(Sum("tokens_in"), 0), given=Coalesce(Sum("tokens_out"), 0)
    )
    return MemoryHealth(
        looked_at=sample["all"],
        never_recalled=sample["all"] - sample["used"],
        unlearned=capped(letters.count()),
        waiting_since=overdue.aggregate(since=Min("extract_after"))["since"],
        tokens_learning=tokens["taken"] + tokens["given"],
    )
