"""The Celery application: what carries out due work.

Postgres is the queue of record (`ibex.dispatch`); a message is only a hint that something is due.
So nothing is lost when Redis is away, flushed or full: results are ignored, messages are
acknowledged late, and connections are retried for ever.
"""

import logging
import os
from datetime import timedelta
from typing import Any

from celery import Celery
from celery.schedules import crontab
from celery.signals import setup_logging
from django.conf import settings

from ibex.broker import PatientAmqp
from ibex.failures import SafeTask
from ibex.logs import configure_logging
from ibex.queues import EVERYTHING, ROUTES, processes

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ibex.settings")

DISPATCH_EVERY_S = 1.0
EVERY_TASK = ("celery.worker.strategy", "celery.app.trace", "celery.beat")
"""Loggers that say something at level INFO about every task; there is one a second."""
VISIBILITY_TIMEOUT_S = 900
SOFT_TIME_LIMIT_S = 240
TIME_LIMIT_S = 300

app = Celery("ibex", task_cls=SafeTask, amqp=PatientAmqp)
app.conf.update(
    broker_url=settings.CELERY_BROKER_URL,
    broker_connection_retry=True,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={
        "visibility_timeout": VISIBILITY_TIMEOUT_S,
        "socket_keepalive": True,
        "health_check_interval": 10,
        "socket_connect_timeout": 2,
        "socket_timeout": 30,
    },
    task_ignore_result=True,
    task_store_errors_even_if_ignored=False,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_default_queue=EVERYTHING,
    task_routes=ROUTES,
    task_serializer="json",
    accept_content=["json"],
    task_soft_time_limit=SOFT_TIME_LIMIT_S,
    task_time_limit=TIME_LIMIT_S,
    task_publish_retry_policy={"max_retries": 1, "interval_start": 0.1},
    worker_prefetch_multiplier=1,
    worker_concurrency=processes(),
    worker_enable_remote_control=False,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    worker_send_task_events=False,
    beat_scheduler="celery.beat:Scheduler",  # in memory: what is due stands in Postgres
    beat_schedule={
        "dispatch": {
            "task": "ibex.dispatch.dispatch",
            "schedule": timedelta(seconds=DISPATCH_EVERY_S),
            "options": {"expires": 2},
        },
        "ensure partitions": {
            "task": "analytics.tasks.ensure_partitions",
            "schedule": timedelta(hours=12),
        },
        "count hours": {
            "task": "analytics.tasks.count_hours",
            "schedule": timedelta(minutes=1),
            "options": {"expires": 60},
        },
        "purge changes": {
            "task": "control.tasks.purge_changes",
            "schedule": timedelta(hours=1),
        },
        "forget rows of jobs": {
            "task": "jobs.tasks.forget_rows",
            "schedule": crontab(hour=3, minute=10),  # by the clock: a beat forgets when it began
        },
    },
    beat_max_loop_interval=1,
    imports=(
        "ibex.dispatch",
        "sessions.tasks",
        "memories.tasks",
        "analytics.tasks",
        "control.tasks",
        "jobs.tasks",
    ),
    timezone="UTC",
)


@setup_logging.connect
def log_as_every_process(**_options: Any) -> None:
    """Log JSON lines without local variables, instead of Celery's own format."""
    configure_logging("worker")
    for name in EVERY_TASK:
        logging.getLogger(name).setLevel(logging.WARNING)
