"""Time as the demo tells it: what is made under `at` was made then."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, tzinfo
from typing import Any, Self

from django.utils import timezone


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    """Let `timezone.now` answer `moment`, for a command that runs in one thread.

    The services and models ask nothing else what time it is, so a memory, its version and its
    audit row agree. The database's own `now()` is untouched: leases and due times stay real.
    """

    class Stopped(datetime):
        """A datetime whose `now` stands still."""

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            """Answer the moment of the story."""
            return moment.astimezone(tz)  # type: ignore[return-value]

    module: Any = timezone
    real, module.datetime = module.datetime, Stopped
    try:
        yield
    finally:
        module.datetime = real
