"""`manage.py spectacular`: write the OpenAPI document of both API roles."""

import json
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ibex.openapi import document

TARGET = settings.BASE_DIR / "docs" / "api" / "openapi.json"


class Command(BaseCommand):
    """Write the document, or say whether the one that is there still holds."""

    help = "Write docs/api/openapi.json."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take `--check`: write nothing and fail when the file is stale."""
        parser.add_argument("--check", action="store_true")

    def handle(self, *_args: Any, check: bool = False, **_options: Any) -> None:
        """Build the document; refuse one with gaps."""
        schema, has_gaps = document()
        if has_gaps:
            raise CommandError("Something about the API could not be found out; see above.")
        text = json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        if not check:
            TARGET.write_text(text)
            self.stdout.write(f"{TARGET.name}: {len(schema['paths'])} paths.")
        elif not TARGET.exists() or TARGET.read_text() != text:
            raise CommandError(f"{TARGET.name} is stale: run `make openapi`.")
