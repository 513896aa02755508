"""Failures without the text that they failed on.

An exception may quote what was being written: Postgres shows the failing row in its DETAIL. So a
task fails with the kind of its error and where it happened, and nothing else of it is logged.
"""

import traceback
from pathlib import Path
from typing import Any

from celery import Task
from celery.exceptions import Ignore, Reject, Retry

ROOT = Path(__file__).resolve().parent.parent
CONTROL_FLOW = (Ignore, Reject, Retry)


class WorkFailed(Exception):
    """A task failed; the message names the error's type and place, never its text."""


class SafeTask(Task):  # type: ignore[type-arg]
    """A task whose failure can be logged."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task, and rename what it raises."""
        try:
            return super().__call__(*args, **kwargs)
        except CONTROL_FLOW:
            raise
        except Exception as error:  # noqa: BLE001 - the outermost frame of a task
            raise WorkFailed(describe(error)) from None


def describe(error: BaseException) -> str:
    """Name an error by its type, its SQL state if it has one, and the innermost line of ours."""
    state = getattr(error.__cause__, "sqlstate", None) or getattr(error, "sqlstate", None)
    kind = f"{type(error).__name__} ({state})" if state else type(error).__name__
    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_ours(frame)]
    if not ours:
        return kind
    frame = ours[-1]
    return f"{kind} at {Path(frame.filename).relative_to(ROOT)}:{frame.lineno} in {frame.name}"


def _is_ours(frame: traceback.FrameSummary) -> bool:
    path = Path(frame.filename)
    return path.is_relative_to(ROOT) and ".venv" not in path.parts
