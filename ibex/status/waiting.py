"""How much work of an organization waits for a worker, and since when, by kind."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Model, Q, QuerySet, Subquery
from django.utils import timezone

from ibex.counts import CappedCount, capped
from jobs.models import Job
from memories.models import DeadLetter, Memory, Passage
from orgs.models import Organization
from sessions.models import Session

Place = tuple[type[Model], str, str]
"""A table, its column of when a row is due, and that of the lease of whoever works on it."""


@dataclass(frozen=True)
class Kind:
    """One kind of work, by the dispatcher's name, and where it stands in the database."""

    name: str
    label: str
    places: tuple[Place, ...]


KINDS = (
    Kind(
        "complete",
        "Sessions to end",
        ((Session, "completes_at", "completion_claimed_until"),),
    ),
    Kind(
        "learn",
        "Sessions to learn from",
        ((Session, "extract_after", "extract_claimed_until"),),
    ),
    Kind(
        "dead letter",
        "Dead letters to try again",
        ((DeadLetter, "retry_after", "claimed_until"),),
    ),
    Kind(
        "embed",
        "Memories and passages to embed",
        (
            (Memory, "embed_after", "embed_claimed_until"),
            (Passage, "embed_after", "embed_claimed_until"),
        ),
    ),
    Kind(
        "archive",
        "Sessions to archive",
        ((Session, "archive_after", "archive_claimed_until"),),
    ),
    Kind("job", "Jobs", ((Job, "run_after", "claimed_until"),)),
)


@dataclass(frozen=True)
class Waiting:
    """What is due of one kind and in no worker's hands.

    `count` goes no further than one past `ibex.counts.CAP` for each table; `oldest` is when the
    oldest was due and `waited` how long ago that is, both None when nothing waits.
    """

    work: str
    label: str
    count: int
    oldest: datetime | None
    waited: timedelta | None

    @property
    def words(self) -> str:
        """The count as a page shows it: `1,000+` past the cap."""
        return capped(self.count)


def read_waiting(org_id: UUID, agent_id: UUID | None = None) -> list[Waiting]:
    """Read what waits, inside the tenant, of one agent or of all. One query, by due indexes."""
    now = timezone.now()
    asked: dict[str, Any] = {}
    for key, (model, due, lease) in _places():
        rows = _due(model, due, lease, now).filter(org=org_id)
        if agent_id is not None:
            rows = rows.filter(agent=agent_id)
        asked[f"{key}_count"] = CappedCount(rows)
        asked[f"{key}_oldest"] = Subquery(rows.order_by(due).values(due)[:1])
    found = Organization.objects.filter(pk=org_id).annotate(**asked).values(*asked).get()
    return [_waiting(number, kind, found, now) for number, kind in enumerate(KINDS)]


def _places() -> Iterator[tuple[str, Place]]:
    for number, kind in enumerate(KINDS):
        for part, place in enumerate(kind.places):
            yield f"work_{number}_{part}", place


def _due(model: type[Model], due: str, lease: str, now: datetime) -> QuerySet[Any]:
    """Keep the rows that the dispatcher would claim now."""
    rows: QuerySet[Any] = model._default_manager.filter(**{f"{due}__lte": now})  # noqa: SLF001 - documented
    return rows.filter(Q(**{lease: None}) | Q(**{f"{lease}__lt": now}))


def _waiting(number: int, kind: Kind, found: dict[str, Any], now: datetime) -> Waiting:
    keys = [f"work_{number}_{part}" for part in range(len(kind.places))]
    count = sum(found[f"{key}_count"] for key in keys)
    times = [at for key in keys if (at := found[f"{key}_oldest"]) is not None]
    oldest = min(times, default=None)
    return Waiting(kind.name, kind.label, count, oldest, now - oldest if oldest else None)
