"""What the worker does for analytics."""

from celery import shared_task
from django.db import connection

DAYS_AHEAD = 7


@shared_task
def ensure_partitions() -> None:
    """Make sure that request records of the coming days have a partition of their own."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT ibex_ensure_partitions(%s)", [DAYS_AHEAD])
