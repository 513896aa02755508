"""`manage.py reset_second_factor ADDRESS`: for an operator who lost their factor and its codes."""

from argparse import ArgumentParser
from typing import Any

from allauth.mfa.models import Authenticator
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from identity import devices
from identity.events import record
from orgs.models import Operator


class Command(BaseCommand):
    """Take an operator's factors away, end their sessions, and write it down."""

    help = "Remove an operator's passkeys, authenticator app and recovery codes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Ask whose."""
        parser.add_argument("address", help="The email address of the operator.")

    @transaction.atomic
    def handle(self, *_: Any, address: str, **__: Any) -> None:
        """Remove them all. Raises `CommandError` when nobody has the address."""
        operator = Operator.objects.filter(email=address.strip().lower()).first()
        if operator is None:
            raise CommandError("No operator has this address.")
        removed, _rows = Authenticator.objects.filter(user=operator).delete()
        devices.end_all(operator)
        record("factors_reset", operator.email, request=None, by_operator=False, removed=removed)
        self.stdout.write(f"Removed {removed}. {operator} signs in with the password alone now.")
