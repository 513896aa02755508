"""`manage.py demo_data`: an organization full of invented conversations, to look at."""

import time
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ibex.demo.filling import Filling
from ibex.demo.organization import (
    NAME,
    count_rows,
    create_demo,
    find_demo,
    is_filled,
    note_filled,
    remove_demo,
)
from ibex.demo.recording import now
from orgs.models import Organization

OWNER = "operator@ibex.localhost"


class Command(BaseCommand):
    """Fill the demo organization, or remove it. Refused outside development."""

    help = f"Create {NAME}: agents, sessions and memories of the last 60 days."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take `--scale` and `--remove`."""
        parser.add_argument("--remove", action="store_true", help="Remove it with all it holds.")
        parser.add_argument(
            "--scale", type=_scale, default=1.0, help="How much of it; 1 is some 480 sessions."
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Do nothing when there is nothing to do."""
        if not settings.DEVELOPMENT:
            raise CommandError("Demo data exists only where IBEX_ENV=development.")
        org = find_demo()
        if options["remove"]:
            self._remove(org)
        elif org is None:
            self._fill(options["scale"])
        elif is_filled(org):
            self.stdout.write(f"{NAME} is there already.")
        else:
            raise CommandError("An earlier run did not end: `--remove` what it left, then retry.")

    def _fill(self, scale: float) -> None:
        started = time.monotonic()
        org = create_demo(OWNER)
        Filling(org, now(), scale, self._say).run()
        counts = count_rows()
        note_filled(org, counts)
        told = ", ".join(f"{count} {name}" for name, count in counts.items())
        self._say(f"{NAME}: {told}, in {time.monotonic() - started:.0f} s.")

    def _remove(self, org: Organization | None) -> None:
        if org is None:
            self._say(f"{NAME} is not there.")
            return
        removed = remove_demo(org, settings.REDIS_URL)
        self._say(f"{NAME} is gone: {removed} rows.")

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def _scale(text: str) -> float:
    """Read a share of the whole. Raises `ArgumentTypeError`."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 10:  # noqa: PLR2004 - ten times is a lot
        raise ArgumentTypeError("a number above 0, at most 10")
    return value
