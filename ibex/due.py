"""Work that is due: for how long whoever takes it has it to itself, and how late it is begun."""

from datetime import datetime, timedelta

from django.utils import timezone
from prometheus_client import Histogram

from ibex.env import env

LAG = Histogram(
    "ibex_worker_lag_seconds",
    "Time from when work was due until a worker began it.",
    ["work"],
    buckets=(0.25, 0.5, 1, 2, 3, 5, 10, 30, 60, 300, 1800, 7200),
)


def lease() -> timedelta:
    """Return how long claimed work stays claimed; when it expires, the work is due again."""
    return timedelta(seconds=env.float("IBEX_WORKER_LEASE_S", 60.0))


def short_lease() -> timedelta:
    """Return the lease of work that a lock of its own keeps to one worker however long it takes.

    It may be due again while it is still done; after a kill it is done anew within seconds.
    """
    return min(lease(), timedelta(seconds=10))


def begin(work: str, due_at: datetime) -> None:
    """Note that work of this kind is begun now."""
    LAG.labels(work).observe(max(0.0, (timezone.now() - due_at).total_seconds()))
