"""`manage.py env_example`: write the root `.env.example` from `infra/env/`."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ibex.env_files import GENERATED, render_all


class Command(BaseCommand):
    """Write the file, or with `--check` only say whether it is stale."""

    help = "Generate .env.example from infra/env/."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add `--check`."""
        parser.add_argument("--check", action="store_true", help="Fail when the file is stale.")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Write, or compare."""
        text = render_all()
        if not options["check"]:
            GENERATED.write_text(text)
        elif not GENERATED.exists() or GENERATED.read_text() != text:
            raise CommandError(f"{GENERATED.name} is stale: run `manage.py env_example`.")
