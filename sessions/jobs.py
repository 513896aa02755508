"""Bulk actions on more sessions than a request should wait for."""

from jobs.bulk import Steps, change_rows
from jobs.registry import job
from jobs.running import Run
from sessions.bulk import ACTIONS
from sessions.models import Session

KIND = "sessions.bulk"


@job(KIND, "Change sessions")
def change_sessions(run: Run) -> Steps:
    """Act on the sessions that were confirmed, 100 at a time."""
    return change_rows(run, ACTIONS, Session)
