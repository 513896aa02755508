"""Bulk actions on more agents than a request should wait for."""

from agents.bulk import ACTIONS
from agents.models import Agent
from jobs.bulk import Steps, change_rows
from jobs.registry import job
from jobs.running import Run

KIND = "agents.bulk"


@job(KIND, "Change agents")
def change_agents(run: Run) -> Steps:
    """Pause or activate the agents that were confirmed, 100 at a time."""
    return change_rows(run, ACTIONS, Agent)
