"""The kinds of background work. Each app registers its own in its module `jobs`.

A handler is a generator: it does a chunk in a transaction, says so by `run.advance`, and yields.
At each `yield` the worker notes a heartbeat and stops when the job was cancelled, or when its turn
is over; the job then goes on from its checkpoint, perhaps in another process.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobs.models import Job
    from jobs.running import Run

Handler = Callable[["Run"], Generator[None, None, dict[str, Any] | None]]
Page = Callable[["Job"], str | None]
Cancelled = Callable[["Job"], None]


@dataclass(frozen=True)
class Kind:
    """One kind of work: what it is called, who does it, and where its result is looked at.

    `cancelled` clears up what a cancelled job leaves, in the transaction of the cancel: quickly, or
    by another job.
    """

    name: str
    label: str
    handler: Handler
    page: Page | None = None
    cancelled: Cancelled | None = None


_kinds: dict[str, Kind] = {}


def job(
    name: str, label: str, *, page: Page | None = None, cancelled: Cancelled | None = None
) -> Callable[[Handler], Handler]:
    """Register the handler of a kind. `page` says where the console shows what came of a job."""

    def register(handler: Handler) -> Handler:
        if name in _kinds:
            raise ValueError(f"Two handlers are registered for the kind of job {name}.")
        _kinds[name] = Kind(name, label, handler, page, cancelled)
        return handler

    return register


def find_kind(name: str) -> Kind | None:
    """Return a kind by its name; None for one that this version no longer has."""
    return _kinds.get(name)


def kinds() -> list[Kind]:
    """List all kinds by their label."""
    return sorted(_kinds.values(), key=lambda kind: kind.label)
