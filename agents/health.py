"""Whether an agent's memories are worth keeping, and whether its learning keeps up."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Min, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from agents.models import Agent
from analytics.models import ExtractionRecord
from ibex.counts import CAP
from memories import junk
from memories.browsing.twins import Pair, find_twins
from memories.models import DeadLetter, Passage
from sessions.models import Session


@dataclass(frozen=True)
class MemoryHealth:
    """What an agent's memories are good for, and what its learning costs.

    `never_recalled`, `vague` and `transient` count what `memories.junk` says of the `looked_at`
    memories, the newest in use that are over a week old; `near_another` those of them that have
    another one close in meaning, and `closest` names a few such pairs. Within the days asked for,
    `loop_guard_stops` counts turns of which something was kept out because IBEX itself had injected
    it, and `tokens_learning` is what the extractor's model took; the rules take none. `unlearned`
    counts open dead letters. Both counts go no further than one past `ibex.counts.CAP`.
    `waiting_since` is when the oldest turn was due to be learned from, None when none is overdue.
    """

    looked_at: int
    never_recalled: int
    vague: int
    transient: int
    near_another: int
    closest: list[Pair]
    loop_guard_stops: int
    unlearned: int
    waiting_since: datetime | None
    tokens_learning: int


def memory_health(agent: Agent, days: int) -> MemoryHealth:
    """Look at an agent's memories and at its learning, inside the tenant; six queries."""
    now = timezone.now()
    since = now - timedelta(days=days)
    mine = {"org": agent.org_id, "agent": agent.pk}
    sample = junk.looked_at(agent.org_id, agent.pk)
    kinds = {kind: Count("pk", filter=rule) for kind, rule in junk.RULES.items()}
    twins = find_twins(sample)
    letters = DeadLetter.objects.filter(**mine).open().order_by().values("pk")[: CAP + 1]
    guarded = Passage.objects.filter(**mine, loop_guarded=True, said_at__gte=since)
    turns = guarded.order_by().values("turn").distinct()[: CAP + 1]
    overdue = Session.objects.filter(**mine, extract_after__lt=now)
    calls = ExtractionRecord.objects.filter(
        org=agent.org_id, agent_id=agent.pk, created_at__gte=since
    )
    tokens = calls.aggregate(
        taken=Coalesce(Sum("tokens_in"), 0), given=Coalesce(Sum("tokens_out"), 0)
    )
    return MemoryHealth(
        **sample.aggregate(looked_at=Count("pk"), **kinds),
        near_another=twins.count,
        closest=twins.closest,
        loop_guard_stops=turns.count(),
        unlearned=letters.count(),
        waiting_since=overdue.aggregate(since=Min("extract_after"))["since"],
        tokens_learning=tokens["taken"] + tokens["given"],
    )
