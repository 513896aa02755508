"""Calls in numbers, hour by hour: full hours were counted by the worker, the rest is counted here.

So a span of months costs as much as one of hours, and an answer is never older than its reading.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Max, Q, Sum
from django.db.models.functions import TruncHour

from analytics.models import HourOfCalls, HoursCounted, RequestRecord

HOUR = timedelta(hours=1)
FAILURES_FROM = 400
"""The first HTTP status that counts as a failure."""


@dataclass(frozen=True)
class Calls:
    """What the calls of one hour came to; `hour` is when it began."""

    hour: datetime
    requests: int
    failed: int
    tokens_in: int
    tokens_out: int
    tokens_cached: int
    memories_injected: int
    tokens_injected: int
    last_request_at: datetime


def hour_of(at: datetime) -> datetime:
    """Return when the hour of a time began, in UTC."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def calls_since(org_id: UUID, since: datetime, agent_id: UUID | None = None) -> list[Calls]:
    """Return the hours with calls from the full hour `since` on, in no order; two queries.

    Of one agent, or of all agents together. Call it inside the tenant.
    """
    through = HoursCounted.objects.values_list("through", flat=True).first() or since
    mine = {"org": org_id, "agent_id": agent_id}
    counted = HourOfCalls.objects.filter(**mine, hour__gte=since, hour__lt=through)
    rest = RequestRecord.objects.filter(org=org_id, created_at__gte=max(since, through))
    if agent_id is not None:
        rest = rest.filter(agent_id=agent_id)
    names = list(COUNTED)
    both = counted.values_list("hour", *names).union(
        rest.annotate(hour=TruncHour("created_at", tzinfo=UTC))
        .order_by()
        .values("hour")
        .annotate(**{f"all_{name}": value for name, value in COUNTED.items()})
        .values_list("hour", *(f"all_{name}" for name in names)),
        all=True,
    )
    return [Calls(*row) for row in both]


COUNTED: dict[str, Any] = {
    "requests": Count("id"),
    "failed": Count("id", filter=Q(status__gte=FAILURES_FROM)),
    "tokens_in": Sum("tokens_in"),
    "tokens_out": Sum("tokens_out"),
    "tokens_cached": Sum("tokens_cached"),
    "memories_injected": Sum("memories_injected"),
    "tokens_injected": Sum("context_tokens"),
    "last_request_at": Max("created_at"),
}
"""How the records of an hour are counted; `ibex_count_hours` says the same in SQL."""
