"""Ends a worker whose dispatcher has fallen silent although its stores answer.

A consumer that lost its broker in the middle of an acknowledgement may wait for ever. Nothing is
lost by ending it: whoever supervises the process starts it anew, and expired claims are due again.
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable

import structlog

from ibex.health import Health

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 5.0
GRACE_S = 60.0
"""A worker that has just started may take its time."""
SILENT_LOOKS = 2
EXIT_CODE = 70


def watch(health: Health, end: Callable[[int], object] = os._exit) -> None:
    """Watch from a thread of its own, for as long as the process lives."""
    threading.Thread(target=_watch, args=(health, end), name="watchdog", daemon=True).start()


def _watch(health: Health, end: Callable[[int], object]) -> None:
    started = time.monotonic()
    silent = 0
    while True:
        time.sleep(LOOK_EVERY_S)
        _status, body = asyncio.run(health.readiness())
        silent = silent + 1 if is_stuck(body["checks"]) else 0
        if silent >= SILENT_LOOKS and time.monotonic() - started > GRACE_S:
            log.critical("worker.stuck", looks=silent)
            end(EXIT_CODE)
            return


def is_stuck(checks: dict[str, dict[str, object]]) -> bool:
    """Say whether the dispatcher is silent for no reason of its stores."""
    answers = {name: check["status"] == "ok" for name, check in checks.items()}
    return answers["postgres"] and answers["redis"] and not answers["dispatcher"]
