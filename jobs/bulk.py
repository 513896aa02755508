"""Bulk actions on more rows than a request should wait for: the same rows, changed by a worker.

The rows are frozen in chunks when they are confirmed, by one statement in the database: a million
of them cost no memory here, and what is found later is not touched.
"""

from collections.abc import Generator, Mapping
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Model

from agents.models import Agent
from ibex.selection import (
    CHUNK,
    BulkAction,
    Gone,
    Outcome,
    Selection,
    SelectionChanged,
    fingerprint,
)
from ibex.tenancy import tenant
from jobs.errors import JobFailed
from jobs.models import Job, JobChunk
from jobs.running import Run
from jobs.services import enqueue_job
from orgs.audit import Actor

FREEZE = """
    INSERT INTO jobs_jobchunk (id, created_at, org_id, job_id, number, row_ids)
    SELECT gen_random_uuid(), now(), %s, %s, place / %s, array_agg(pk ORDER BY pk)
    FROM (SELECT pk, row_number() OVER (ORDER BY pk) - 1 AS place FROM ({rows}) AS found (pk)) AS r
    GROUP BY place / %s
"""
FROZEN = """
    SELECT count(*), bit_xor(uuid_hash_extended(pk, 0))
    FROM jobs_jobchunk, unnest(row_ids) AS pk WHERE org_id = %s AND job_id = %s
"""
Steps = Generator[None, None, dict[str, Any] | None]


def enqueue_bulk(
    *,
    org_id: UUID,
    kind: str,
    selection: Selection[Any],
    action: BulkAction[Any],
    actor: Actor,
    reason: str,
    agent: Agent | None = None,
    idempotency_key: str = "",
    **options: Any,
) -> Job:
    """Have a worker change exactly the rows of a selection; the same key asks for the same job.

    Raises `SelectionChanged` when they are not those that were counted.
    """
    with tenant(org_id):
        job = enqueue_job(
            org=org_id,
            kind=kind,
            actor=actor,
            parameters={
                "action": action.name,
                "filter": selection.canonical,
                "fingerprint": selection.fingerprint,
                "options": options,
            },
            title=action.label(selection.count),
            needs=action.needs,
            reason=reason,
            agent=agent,
            idempotency_key=idempotency_key,
        )
        if job.total is None:  # a job that is known has its rows
            _freeze(job, selection)
    return job


def change_rows(run: Run, actions: Mapping[str, BulkAction[Any]], model: type[Model]) -> Steps:
    """Change a job's rows, a chunk in each transaction; tell by reason what was left."""
    action = actions[run.parameters["action"]]
    rows = model._default_manager.filter(org=run.org_id)  # noqa: SLF001 - documented
    done = run.checkpoint or {"number": 0, "refusals": []}
    while True:
        with tenant(run.org_id):
            chunk = JobChunk.objects.filter(
                org=run.org_id, job=run.job_id, number=done["number"]
            ).first()
            if chunk is None:
                break
            here = rows.filter(pk__in=chunk.row_ids)
            gone = set(chunk.row_ids) - set(here.values_list("pk", flat=True))
            outcome = action.act(here, run.actor, run.reason, **run.parameters["options"])
            if gone:
                outcome.refuse(Gone(), *sorted(gone))
            so_far = Outcome.of_refusals(done["refusals"])
            so_far.add(outcome)
            done = {"number": chunk.number + 1, "refusals": so_far.refusals_as_json}
            run.advance(
                len(chunk.row_ids),
                failed=outcome.refused,
                checkpoint=done,
                result=_result(action, run, len(chunk.row_ids) - outcome.refused, done),
            )
        yield
    if not done["number"]:
        raise JobFailed("What it was to change is not known any more. Start it anew.")
    return _result(action, run, 0, done)


def _result(action: BulkAction[Any], run: Run, more: int, done: dict[str, Any]) -> dict[str, Any]:
    changed = {f"{action.nouns}_changed": run.done - run.failed + more}
    return {**changed, "refusals": done["refusals"]} if done["refusals"] else changed


def _freeze(job: Job, selection: Selection[Any]) -> None:
    rows, values = selection.rows.order_by().values_list("pk").query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(FREEZE.format(rows=rows), [job.org_id, job.pk, CHUNK, *values, CHUNK])
        cursor.execute(FROZEN, [job.org_id, job.pk])
        count, mark = cursor.fetchone()
    if (count, fingerprint(mark)) != (selection.count, selection.fingerprint):
        raise SelectionChanged(selection.count, count)
    job.total = count
    job.save(update_fields=["total"])
