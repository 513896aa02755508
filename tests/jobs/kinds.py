"""Kinds of job for tests: each item is one audit row, so that what was done twice is seen."""

import time
from collections.abc import Generator
from typing import Any

from ibex.tenancy import tenant
from jobs.errors import JobFailed
from jobs.registry import find_kind, job
from jobs.running import Run
from orgs import audit
from orgs.models import Organization

CHUNK = 5
Steps = Generator[None, None, dict[str, Any] | None]


def write_items(run: Run) -> Steps:
    """Write the numbers 0 to `count` - 1 into the audit, a chunk at a time."""
    count, done = run.parameters["count"], run.checkpoint or 0
    while done < count:
        chunk = range(done, min(done + CHUNK, count))
        failed = sum(number in run.parameters.get("fail", []) for number in chunk)
        with tenant(run.org_id):
            org = Organization.objects.get(pk=run.org_id)
            for number in chunk:
                audit.record("tests.item", org, actor=run.actor, after={"number": number})
            run.advance(len(chunk), failed=failed, checkpoint=chunk.stop, total=count)
        done = chunk.stop
        time.sleep(run.parameters.get("pause_s", 0))
        yield
    return {"items_written": done}


def refuse(run: Run) -> Steps:
    """Give up with a reason."""
    yield
    raise JobFailed("The model server is gone.")


def crash(run: Run) -> Steps:
    """Raise what nobody expected; its text must not be kept."""
    yield
    raise ValueError("secret words")


def page(row: Any) -> str:
    return f"/result/{row.pk}/"


def register() -> None:
    """Register the kinds once, whoever asks first."""
    if find_kind("tests.items") is None:
        job("tests.items", "Write items", page=page)(write_items)
        job("tests.refuse", "Refuse")(refuse)
        job("tests.crash", "Crash")(crash)


register()
