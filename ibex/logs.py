"""Logging: one JSON object a line, never with local variables.

Tracebacks carry no locals: a frame's locals may hold prompt, memory or directive text.
"""

import logging
import logging.config
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import structlog

from ibex.env import env

QUOTING_MODULES = ("psycopg", "django.db", "django.core.exceptions")
"""Whose messages quote what was written: a failing row, a refused value."""
STACKS = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)


def logging_config(service: str) -> dict[str, Any]:
    """Build the `logging.config.dictConfig` dictionary for one process called `service`."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _named(service),
    ]
    renderer: list[Any] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.ExceptionRenderer(_without_content),
        structlog.processors.JSONRenderer(default=str),
    ]
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": shared,
                "processors": renderer,
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["stderr"], "level": env.str("IBEX_LOG_LEVEL", "INFO").upper()},
        "loggers": {
            "uvicorn": {"handlers": [], "propagate": True},
            "uvicorn.access": {"level": "WARNING"},
            "axes": {"level": "WARNING"},
            "fido2": {"level": "WARNING"},
        },
    }


def _without_content(exc_info: Any) -> list[dict[str, Any]]:
    """Describe an exception without locals, and without the messages of those that quote rows."""
    quoting = {
        type(error).__name__
        for error in _chain(exc_info[1])
        if type(error).__module__.startswith(QUOTING_MODULES)
    }
    described = STACKS(exc_info)
    for entry in described:
        if entry["exc_type"] in quoting:
            entry["exc_value"] = "(not logged: it may quote a row)"
    return described


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def configure_logging(service: str) -> None:
    """Send the standard library's and structlog's records to stderr as JSON lines."""
    logging.config.dictConfig(logging_config(service))
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _named(service),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _named(service: str) -> Any:
    def add_service(_logger: Any, _name: str, event: dict[str, Any]) -> dict[str, Any]:
        event["service"] = service
        return event

    return add_service


class Sparing:
    """Warnings that would come with every request: each is said once in `every_s`, with its count.

    What is away or overloaded has no time to write thousands of lines a second.
    """

    def __init__(self, logger: Any, every_s: float = 10.0) -> None:
        self._logger = logger
        self._every_s = every_s
        self._unsaid: Counter[tuple[str, str]] = Counter()
        self._said_at: dict[tuple[str, str], float] = {}

    def say(self, event: str, reason: str) -> None:
        """Warn of it, with how often it happened since it was said last; or only count it."""
        key, now = (event, reason), time.monotonic()
        self._unsaid[key] += 1
        if now - self._said_at.get(key, -self._every_s) >= self._every_s:
            self._said_at[key] = now
            self._logger.warning(event, reason=reason, times=self._unsaid.pop(key))
