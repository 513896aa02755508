"""Carrying out a job: chunk by chunk, each committed with its progress, so that a kill costs none.

Every start takes the row's next `runs` number. Whoever writes must still hold that number: a
worker that was paused for longer than its lease, and then goes on, finds the job taken and its
chunk is rolled back.
"""

import time
from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db.models import F
from django.utils import timezone

from ibex import due, failures
from ibex.errors import DomainError
from ibex.tenancy import tenant
from jobs import services
from jobs.errors import JobTaken
from jobs.events import Kind, note
from jobs.models import Job
from jobs.registry import find_kind
from orgs.audit import Actor

SLICE_S = 10.0
"""How long a job has a worker before others have their turn."""
BEAT_S = 1.0
"""How often a yield is noted at most: a cancel is seen within this time and one chunk."""
MAX_STUMBLES = 5
FIRST_WAIT = timedelta(seconds=2)

Steps = Generator[None, None, dict[str, Any] | None]
State = Job.State

log = structlog.get_logger(__name__)


@dataclass
class Run:
    """What a handler knows of its job, and how it tells of progress."""

    org_id: UUID
    job_id: UUID
    number: int
    kind: str
    actor: Actor
    parameters: dict[str, Any]
    reason: str
    checkpoint: Any
    done: int
    failed: int
    _beaten: float = field(default_factory=time.monotonic)

    def advance(
        self,
        items: int,
        *,
        failed: int = 0,
        checkpoint: Any = None,
        total: int | None = None,
        result: dict[str, Any] | None = None,
    ) -> None:
        """Note that `items` more are gone through, `failed` of them in vain.

        Call it inside the tenant, in the transaction of the chunk itself: progress and work then
        stand or fall together. `checkpoint` is where to go on, as JSON without any text; without
        one the last stays. `result` is what came of it so far. Raises `JobTaken`.
        """
        changes: dict[str, Any] = {"done": F("done") + items, "failed": F("failed") + failed}
        if checkpoint is not None:
            changes["checkpoint"] = self.checkpoint = checkpoint
        if total is not None:
            changes["total"] = total
        if result is not None:
            changes["result"] = result
        self._write(stumbles=0, **changes)
        self.done += items
        self.failed += failed

    def beat(self) -> bool:
        """Note that the job lives; say whether it is to go on. Raises `JobTaken`."""
        if time.monotonic() - self._beaten < BEAT_S:
            return True
        with tenant(self.org_id):
            self._write()
            row = Job.objects.only("cancel_requested_at").get(pk=self.job_id)
        self._beaten = time.monotonic()
        return row.cancel_requested_at is None

    def _write(self, **changes: Any) -> None:
        now = timezone.now()
        mine = Job.objects.filter(pk=self.job_id, runs=self.number, state=State.RUNNING)
        if not mine.update(heartbeat_at=now, claimed_until=now + due.lease(), **changes):
            raise JobTaken


def run_job(*, org_id: UUID, job_id: UUID) -> None:
    """Carry a due job on for one slice. Called twice, or too late, it does nothing."""
    run = _begin(org_id, job_id)
    if run is None:
        return
    try:
        _carry_on(run)
    except JobTaken:
        log.info("job_taken", job_id=str(job_id))
    except DomainError as error:
        _end(run, State.FAILED, why=error.message)
    except Exception as error:  # noqa: BLE001 - the outermost frame of any handler
        _stumble(run, failures.describe(error))


def _begin(org_id: UUID, job_id: UUID) -> Run | None:
    """Take the job's next number; end it here when it was cancelled or gets nowhere."""
    with tenant(org_id):
        row = Job.objects.select_for_update().filter(pk=job_id).first()
        if row is None or row.run_after is None or row.run_after > timezone.now():
            return None
        if row.started_at is None:
            due.begin("job", row.run_after)
        if row.cancel_requested_at is not None:
            services.end(row, State.CANCELLED)
        elif row.stumbles >= MAX_STUMBLES:
            services.end(row, State.FAILED, why=row.why or _without_end(row.stumbles))
        else:
            _start(row)
        row.save()
        return _run_of(row) if row.state == State.RUNNING else None


def _start(row: Job) -> None:
    """Write a start into the row, and into its log unless the job had only given way."""
    now = timezone.now()
    begins, was_lost = row.state == State.QUEUED, row.was_lost
    row.state = State.RUNNING
    row.started_at = row.started_at or now
    row.heartbeat_at = now
    row.claimed_until = now + due.lease()
    row.runs += 1
    row.stumbles += 1
    if begins or was_lost:
        note(row, Kind.TAKEN_OVER if was_lost else Kind.STARTED)


def _run_of(row: Job) -> Run:
    return Run(
        org_id=row.org_id,
        job_id=row.pk,
        number=row.runs,
        kind=row.kind,
        actor=row.owner,
        parameters=row.parameters,
        reason=row.reason,
        checkpoint=row.checkpoint,
        done=row.done,
        failed=row.failed,
    )


def _carry_on(run: Run) -> None:
    """Take steps until the handler has returned, somebody cancels, or the slice is over."""
    kind = find_kind(run.kind)
    if kind is None:
        _end(run, State.FAILED, why=f"This version does not know the kind of job {run.kind}.")
        return
    steps: Steps = kind.handler(run)
    until = time.monotonic() + SLICE_S
    try:
        while True:
            next(steps)
            if not run.beat():
                _end(run, State.CANCELLED)
                return
            if time.monotonic() >= until:
                _give_way(run)
                return
    except StopIteration as returned:
        _finish(run, returned.value)
    finally:
        steps.close()


def _finish(run: Run, result: dict[str, Any] | None) -> None:
    """End a job whose handler has returned: failed items make it partial, or failed."""
    if not run.failed:
        _end(run, State.DONE, result=result)
        return
    state = State.PARTIAL if run.failed < run.done else State.FAILED
    why = f"{run.failed:,} of {run.done:,} items failed."
    _end(run, state, why=why, result=result)


def _end(run: Run, state: str, *, why: str = "", result: dict[str, Any] | None = None) -> None:
    def change(row: Job) -> None:
        services.end(row, state, why=why, result=result)

    _change(run, change)


def _give_way(run: Run) -> None:
    """Be due again at once, behind whoever waits."""

    def change(row: Job) -> None:
        row.run_after = timezone.now()
        row.claimed_until = None
        row.stumbles = 0  # it lived until its slice was over

    _change(run, change)


def _stumble(run: Run, why: str) -> None:
    """Try again later, ever more rarely; after `MAX_STUMBLES` without progress it has failed."""
    log.warning("job_stumbled", job_id=str(run.job_id), kind=run.kind, error=why)

    def change(row: Job) -> None:
        if row.stumbles >= MAX_STUMBLES:
            services.end(row, State.FAILED, why=f"It failed {row.stumbles} times: {why}")
            return
        row.state, row.why = State.QUEUED, f"Trying again after: {why}"
        row.run_after = timezone.now() + FIRST_WAIT * 2 ** (row.stumbles - 1)
        row.claimed_until = None
        note(row, Kind.STUMBLED, why=why, next_at=row.run_after)

    _change(run, change)


def _change(run: Run, change: Any) -> None:
    """Change the locked row, unless another worker has taken the job over."""
    with tenant(run.org_id):
        mine = Job.objects.select_for_update().filter(pk=run.job_id, runs=run.number)
        row = mine.filter(state=State.RUNNING).first()
        if row is not None:
            change(row)
            row.save()


def _without_end(stumbles: int) -> str:
    return f"The worker stopped {stumbles} times before it got any further."
