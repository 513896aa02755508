"""What an organization did within a range of time, against the same span before."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, F, FloatField, Func, IntegerField, QuerySet, Value
from django.utils import timezone

from analytics.hours import HOUR, calls_since, hour_of
from memories.models import Memory
from sessions.models import Session

WIDTH, HEIGHT, HEAD = 200, 40, 2
PERCENT = 100


@dataclass(frozen=True)
class Range:
    """A span that ends with this hour, and how finely its line is drawn."""

    name: str
    label: str
    span: timedelta
    step: timedelta

    @property
    def buckets(self) -> int:
        """How many points the line has."""
        return self.span // self.step


DAY = timedelta(days=1)
RANGES = [
    Range("24h", "24 h", DAY, timedelta(hours=1)),
    Range("7d", "7 d", 7 * DAY, DAY / 2),
    Range("14d", "14 d", 14 * DAY, DAY),
    Range("30d", "30 d", 30 * DAY, DAY),
]
DEFAULT = RANGES[1]


@dataclass(frozen=True)
class Figure:
    """One number of a range, the number before it, and both as lines."""

    now: list[int]
    before: list[int]
    more_is_bad: bool = False

    @property
    def total(self) -> int:
        """The sum within the range."""
        return sum(self.now)

    @property
    def earlier(self) -> int:
        """The sum within the span before."""
        return sum(self.before)

    @property
    def change(self) -> float | None:
        """The change in percent; None when there was nothing before."""
        return PERCENT * (self.total - self.earlier) / self.earlier if self.earlier else None

    @property
    def change_words(self) -> str:
        """The change's size, without its sign."""
        change = abs(self.change or 0)
        return f"{change:,.0f} %" if change >= HEAD * 5 else f"{change:.1f} %"

    @property
    def path(self) -> str:
        """The line of the range, for an SVG path."""
        return _path(self.now, self._top)

    @property
    def path_before(self) -> str:
        """The line of the span before, on the same scale."""
        return _path(self.before, self._top)

    @property
    def _top(self) -> int:
        return max([*self.now, *self.before, 1])


@dataclass(frozen=True)
class Figures:
    """The numbers of an overview, all read at the same moment."""

    at: datetime
    since: datetime
    range: Range
    sessions: Figure
    memories: Figure
    tokens: Figure
    failures: Figure
    requests: int

    @property
    def requests_words(self) -> str:
        """How many calls the tokens were for."""
        return f"{self.requests:,} calls"

    @property
    def failure_words(self) -> str:
        """The share of calls that failed."""
        rate = PERCENT * self.failures.total / self.requests if self.requests else 0.0
        return f"{rate:.2f} % of {self.requests:,} calls"


def chosen_range(name: str) -> Range:
    """Find a range by its name; the default for any other. `orgs.time_range` knows a page's."""
    return next((one for one in RANGES if one.name == name), DEFAULT)


def read_figures(org_id: UUID, within: Range) -> Figures:
    """Count the calls, sessions and memories of twice the range; four queries.

    A range begins at a full hour and ends with the one that runs.
    """
    at = timezone.now()
    end = hour_of(at) + HOUR
    start = end - 2 * within.span
    calls = [((hour.hour - start) // within.step, hour) for hour in calls_since(org_id, start)]
    requests = _figure(((bucket, hour.requests) for bucket, hour in calls), within)
    failed = ((bucket, hour.failed) for bucket, hour in calls)
    return Figures(
        at=at,
        since=end - within.span,
        range=within,
        sessions=_counted(Session.objects.filter(org=org_id), start, end, within),
        memories=_counted(Memory.objects.filter(org=org_id), start, end, within),
        tokens=_figure(
            ((bucket, hour.tokens_in + hour.tokens_out) for bucket, hour in calls), within
        ),
        failures=_figure(failed, within, more_is_bad=True),
        requests=requests.total,
    )


def _bucketed(rows: QuerySet[Any], start: datetime, end: datetime, within: Range) -> QuerySet[Any]:
    """Group rows by the number of their bucket since `start`."""
    seconds = Value(within.step.total_seconds())
    since = Func(
        F("created_at"),
        Value(start),
        arg_joiner=" - ",
        template="extract(epoch FROM (%(expressions)s))",
        output_field=FloatField(),
    )
    bucket = Func(
        since,
        seconds,
        arg_joiner=" / ",
        template="floor(%(expressions)s)::int",
        output_field=IntegerField(),
    )
    bucketed: QuerySet[Any] = (
        rows.filter(created_at__gte=start, created_at__lt=end)
        .order_by()
        .annotate(bucket=bucket)
        .values("bucket")
    )
    return bucketed


def _counted(rows: QuerySet[Any], start: datetime, end: datetime, within: Range) -> Figure:
    counted = _bucketed(rows, start, end, within).annotate(count=Count("pk"))
    return _figure(counted.values_list("bucket", "count"), within)


def _figure(
    pairs: Iterable[tuple[int, int]], within: Range, *, more_is_bad: bool = False
) -> Figure:
    line = [0] * (2 * within.buckets)
    for bucket, value in pairs:
        line[min(bucket, len(line) - 1)] += value
    return Figure(line[within.buckets :], line[: within.buckets], more_is_bad)


def _path(line: list[int], top: int) -> str:
    step = WIDTH / max(1, len(line) - 1)
    points = [
        f"{n * step:.1f} {HEIGHT - HEAD - (HEIGHT - 2 * HEAD) * value / top:.1f}"
        for n, value in enumerate(line)
    ]
    return "M" + " L".join(points)
