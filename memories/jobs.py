"""Bulk changes of memories that take longer than a request should."""

from jobs.bulk import Steps, change_rows
from jobs.registry import job
from jobs.running import Run
from memories.bulk import ACTIONS
from memories.models import DeadLetter, Memory
from memories.steering.dead_letters import RETRY

KIND = "memories.bulk"


LETTERS = "memories.dead_letters"


@job(KIND, "Change memories")
def change_memories(run: Run) -> Steps:
    """Change what was confirmed, 100 memories at a time."""
    return change_rows(run, ACTIONS, Memory)


@job(LETTERS, "Retry dead letters")
def retry_dead_letters(run: Run) -> Steps:
    """Make the turns of what was confirmed due again, 100 at a time."""
    return change_rows(run, {RETRY.name: RETRY}, DeadLetter)
