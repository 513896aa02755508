"""Two queues, so that learning that waits for a model holds up nothing else.

The worker's one pool has as many processes as may learn at once, and one more. Messages of the
learning queue come over a channel of their own, which takes no more of them than may learn; so at
least one process is always free of learning, and the dispatcher never stands behind it.
"""

from typing import Any

from celery import bootsteps, current_app
from celery.worker import state
from celery.worker.consumer.tasks import Tasks
from kombu.common import ignore_errors

from ibex.env import env

EVERYTHING = "ibex"
LEARNING = "ibex.learn"
WITH_A_MODEL = 4
ROUTES = {"memories.tasks.learn_from_*": {"queue": LEARNING}}


def learners() -> int:
    """Return how many processes of a worker may learn at the same time.

    With rules, one: it takes a core for itself, which those who answer requests need too. A model
    is mostly waited for.
    """
    chosen = max(0, env.int("IBEX_WORKER_CONCURRENCY", 0))
    return chosen or (WITH_A_MODEL if env.str("IBEX_EXTRACTOR", "rules") == "llm" else 1)


def processes() -> int:
    """Return how many processes a worker has."""
    return learners() + 1


def waiting(queue: str) -> int:
    """Return how many messages of a queue nobody has taken yet."""
    with current_app.producer_or_acquire() as producer:
        declared = producer.channel.queue_declare(queue=queue, durable=True, auto_delete=False)
    return int(declared.message_count)


class LearningStep(bootsteps.StartStopStep):
    """Consume the learning queue while fewer processes learn than may."""

    requires = (Tasks,)

    def __init__(self, _parent: Any, **_options: Any) -> None:
        self.consumer: Any = None

    def start(self, parent: Any) -> None:
        """Open the channel; what a lost connection left running counts still."""
        channel = parent.connection.channel()
        channel.qos.can_consume = has_place
        amqp = parent.app.amqp
        self.consumer = amqp.TaskConsumer(
            channel,
            queues=[amqp.queues[LEARNING]],
            on_message=parent.create_task_handler(),
            on_decode_error=parent.on_decode_error,
        )
        self.consumer.consume()

    def stop(self, parent: Any) -> None:
        """Take no more messages."""
        if self.consumer:
            ignore_errors(parent, self.consumer.cancel)

    def shutdown(self, parent: Any) -> None:
        """Close the channel as well."""
        if self.consumer:
            self.stop(parent)
            ignore_errors(parent, self.consumer.close)
            self.consumer = None


def has_place() -> bool:
    """Say whether one more process may learn."""
    taken = {*state.reserved_requests, *state.active_requests}
    learning = [one for one in taken if one.delivery_info["routing_key"] == LEARNING]
    return len(learning) < learners()
