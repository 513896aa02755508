"""A connection to the broker that is tried every second for ever, at start and later."""

from typing import Any

from celery.app.amqp import AMQP
from kombu import Connection

EVERY_S = 1


class PatientConnection(Connection):
    """Kombu waits ever longer, up to half a minute; Redis is usually back much sooner."""

    def ensure_connection(self, *args: Any, **options: Any) -> Any:
        """Connect, trying again every second."""
        options |= {"interval_start": EVERY_S, "interval_step": 0, "interval_max": EVERY_S}
        return super().ensure_connection(*args, **options)


class PatientAmqp(AMQP):
    """Celery's message layer with the patient connection."""

    Connection = PatientConnection
