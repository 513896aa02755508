"""Messages through Redis, however often Redis goes away.

Two things of kombu's are changed. A connection is tried every second for ever, not ever more
rarely. And an acknowledgement that fails gives its place among the prefetched messages back: kombu
keeps it, and a worker that has lost as many acknowledgements as it has children consumes nothing
any more, though it looks healthy. The message itself comes back after the visibility timeout, and
finds its work done.
"""

from typing import Any

from celery.app.amqp import AMQP
from kombu import Connection
from kombu.transport import redis, virtual

EVERY_S = 1


class SureQoS(redis.QoS):
    """Counts a message as finished even when Redis could not be told."""

    def ack(self, delivery_tag: Any) -> None:
        """Acknowledge a message; raises what the connection raises."""
        try:
            super().ack(delivery_tag)
        except Exception:
            virtual.QoS.ack(self, delivery_tag)
            raise

    def reject(self, delivery_tag: Any, requeue: bool = False) -> None:
        """Give a message back, or away."""
        try:
            super().reject(delivery_tag, requeue)
        except Exception:
            virtual.QoS.ack(self, delivery_tag)
            raise


class SureChannel(redis.Channel):
    """A channel that loses no place."""

    QoS = SureQoS


class SureTransport(redis.Transport):
    """Redis, through that channel."""

    Channel = SureChannel


class PatientConnection(Connection):
    """Kombu waits up to half a minute between tries; Redis is usually back much sooner."""

    def get_transport_cls(self) -> Any:
        """Return the transport of the URL; for Redis, the one above."""
        transport = super().get_transport_cls()
        return SureTransport if transport is redis.Transport else transport

    def ensure_connection(self, *args: Any, **options: Any) -> Any:
        """Connect, trying again every second."""
        options |= {"interval_start": EVERY_S, "interval_step": 0, "interval_max": EVERY_S}
        return super().ensure_connection(*args, **options)


class PatientAmqp(AMQP):
    """Celery's message layer with the patient connection."""

    Connection = PatientConnection
