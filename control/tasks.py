"""What the worker does for the control channel."""

from celery import shared_task
from django.db import connection

KEPT = "1 day"
"""A proxy that was away for longer starts anew, without asking what it missed."""


@shared_task
def purge_changes() -> None:
    """Drop old changes, and proxies that have not been seen for as long."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT ibex_control_purge(%s::interval)", [KEPT])
