"""What the worker does for analytics."""

import time

from celery import shared_task
from django.db import connection

DAYS_AHEAD = 7
HOURS_AT_ONCE = 24
LONGEST_S = 20.0
"""How long one run counts; what is left is counted by the next."""


@shared_task
def ensure_partitions() -> None:
    """Make sure that request records of the coming days have a partition of their own."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT ibex_ensure_partitions(%s)", [DAYS_AHEAD])


@shared_task
def count_hours() -> None:
    """Count the calls of the hours that are over, and anew those that calls were added to."""
    until = time.monotonic() + LONGEST_S
    counted = True
    while counted and time.monotonic() < until:
        with connection.cursor() as cursor:
            cursor.execute("SELECT ibex_count_hours(%s)", [HOURS_AT_ONCE])
            counted = bool(cursor.fetchone()[0])
