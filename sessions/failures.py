"""The calls of a session that failed: without an answer, or broken off in the middle of it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from analytics.models import RequestRecord
from sessions.models import Session, Turn

BEFORE_THE_FIRST = timedelta(hours=1)
MAX_FAILURES = 100


def calls_without_turn(
    session: Session, turns: Sequence[Turn], previous: datetime | None, *, is_end: bool
) -> list[RequestRecord]:
    """Return the calls of this stretch of turns that brought no turn, in order."""
    since = previous or session.created_at - BEFORE_THE_FIRST
    rows = RequestRecord.objects.filter(
        org=session.org_id, session_id=session.pk, turn_id=None, created_at__gt=since
    )
    if not is_end:
        rows = rows.filter(created_at__lte=turns[-1].created_at)
    return list(rows.order_by("created_at")[:MAX_FAILURES])


def codes_of_broken(session: Session, turns: Sequence[Turn]) -> dict[UUID, str]:
    """Return by turn with which code the answer was broken off, where there is one.

    A turn and the record of its call have the same time, and records are found by that.
    """
    cut = {turn.pk: turn.created_at for turn in turns if not turn.is_complete}
    if not cut:
        return {}
    records = RequestRecord.objects.filter(
        org=session.org_id, created_at__in=set(cut.values()), turn_id__in=cut.keys()
    ).exclude(error_code="")
    return {turn: code for turn, code in records.values_list("turn_id", "error_code") if turn}
