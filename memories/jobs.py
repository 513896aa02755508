"""Bulk changes of memories that take longer than a request should."""

from collections.abc import Generator
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import QueryDict
from django.utils import timezone

from agents.models import Agent
from ibex.selection import CHUNK, BulkAction, Selection
from ibex.tenancy import tenant
from jobs.models import Job
from jobs.registry import job
from jobs.running import Run
from jobs.services import enqueue_job
from memories.bulk import ACTIONS
from memories.filters import MemoryFilter
from memories.models import Memory
from orgs.audit import Actor

Steps = Generator[None, None, dict[str, Any] | None]


def change_in_background(
    org_id: UUID,
    selection: Selection[Memory],
    action: BulkAction[Memory],
    *,
    actor: Actor,
    reason: str,
    agent_id: UUID | None = None,
    **options: Any,
) -> Job:
    """Have everything that a filter finds now changed by a worker.

    What is learned later is not touched: the selection ends with this moment. With `agent_id`
    only that agent's memories exist, and a token of that agent sees the job.
    """
    return enqueue_job(
        org=org_id,
        kind="memories.bulk",
        actor=actor,
        parameters={
            "action": action.name,
            "filter": selection.canonical,
            "until": timezone.now().isoformat(),
            "agent": str(agent_id) if agent_id else None,
            "options": options,
        },
        total=selection.count,
        title=action.label(selection.count),
        needs=action.needs,
        reason=reason,
        agent=Agent.objects.get(pk=agent_id) if agent_id else None,
    )


@job("memories.bulk", "Change memories")
def change_memories(run: Run) -> Steps:
    """Change what the filter found, 100 memories at a time, in the order of their ids."""
    action: BulkAction[Memory] = ACTIONS[run.parameters["action"]]
    while True:
        with tenant(run.org_id):
            ids = list(_left(run).values_list("pk", flat=True)[:CHUNK])
            if not ids:
                return {"memories_changed": run.done - run.failed}
            chunk = Memory.objects.filter(org=run.org_id, pk__in=ids)
            outcome = action.act(chunk, run.actor, run.reason, **run.parameters["options"])
            run.advance(len(ids), failed=outcome.refused, checkpoint=str(ids[-1]))
        yield


def _left(run: Run) -> QuerySet[Memory]:
    """Return what was confirmed and is not yet gone through."""
    found = Memory.objects.filter(org=run.org_id)
    if agent_id := run.parameters["agent"]:
        found = found.filter(agent=agent_id)
    filters = MemoryFilter(QueryDict(run.parameters["filter"]), found, org_id=run.org_id)
    rows = filters.rows_or_refuse().filter(
        created_at__lte=datetime.fromisoformat(run.parameters["until"])
    )
    return (rows.filter(pk__gt=run.checkpoint) if run.checkpoint else rows).order_by("pk")
