"""Turns that could not be learned from: set aside with a reason, tried again, resolved.

The turns stay where they are; a dead letter names them. Learning from them again is a part of
`memories.learning.steps`; here stands what changes the rows.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import F
from django.utils import timezone

from ibex import due
from ibex.tenancy import tenant
from memories import metrics
from memories.errors import DeadLetterResolved
from memories.extraction import ExtractionUnavailable
from memories.models import DeadLetter
from orgs import audit
from orgs.audit import Actor
from sessions.models import Session, Turn

CAREFUL_AFTER = 2
"""After so many failures turns are learned one by one, so that a bad one holds up no others."""
TOO_LONG = {DeadLetter.Reason.TRUNCATED, DeadLetter.Reason.REQUEST_REFUSED}
"""Reasons that turns may give together and not alone."""


def set_aside(session: Session, first: int, last: int, *, reason: str, extractor: str) -> None:
    """Note that these turns were not learned from. Call it where the cursor moves past them."""
    _write(session, first, last, reason=reason, extractor=extractor)
    metrics.DEAD_LETTERS.labels("set_aside").inc()


def retry_dead_letter(*, dead_letter: DeadLetter, actor: Actor, reason: str = "") -> DeadLetter:
    """Make the turns due at once, even if they are due later. Raises `DeadLetterResolved`."""
    with tenant(dead_letter.org_id):
        letter = DeadLetter.objects.select_for_update().get(pk=dead_letter.pk)
        if letter.resolved_at is not None:
            raise DeadLetterResolved
        letter.retry_after = timezone.now()
        letter.claimed_until = None
        letter.save(update_fields=["retry_after", "claimed_until"])
        after = {"reason": letter.reason, "attempts": letter.attempts}
        audit.record("dead_letter.retry", letter, actor=actor, after=after, reason=reason)
    return letter


def session_of_due(org_id: UUID, dead_letter_id: UUID) -> UUID | None:
    """Name the session whose turns are due; None when nothing is."""
    with tenant(org_id):
        found = DeadLetter.objects.filter(pk=dead_letter_id, retry_after__isnull=False)
        return found.values_list("session_id", flat=True).first()


def begin(dead_letter_id: UUID, wait: Callable[[int], timedelta]) -> DeadLetter | None:
    """Count an attempt, and claim the turns until the next. Call inside the tenant.

    `wait` says how long that is, after so many attempts.
    """
    letter = DeadLetter.objects.select_for_update().filter(pk=dead_letter_id).first()
    if letter is None or letter.retry_after is None:
        return None
    due.begin("dead letter", letter.retry_after)
    letter.claimed_until = timezone.now() + wait(letter.attempts - 1)
    letter.attempts += 1
    letter.save(update_fields=["claimed_until", "attempts"])
    return letter


def is_tried_alone(letter: DeadLetter) -> bool:
    """Say whether the turns are learned from one by one.

    They are once they failed together again, and at once when together they may be too long.
    """
    return letter.attempts > CAREFUL_AFTER or letter.reason in TOO_LONG


def put_off(letter: DeadLetter, error: ExtractionUnavailable) -> None:
    """Keep the turns due: from when the extractor may be asked again, or from their next try on."""
    if error.wait is not None:
        with tenant(letter.org_id):
            DeadLetter.objects.filter(pk=letter.pk).update(
                claimed_until=timezone.now() + error.wait,
                attempts=F("attempts") - int(not error.was_asked),
            )


def resolve(letter: DeadLetter, turns: Sequence[Turn]) -> None:
    """Note that these turns were learned from; what is left of the letter stays due."""
    if _leave_rest(letter, turns):
        with tenant(letter.org_id):
            _go_on(letter, first_turn=turns[-1].index + 1, attempts=F("attempts") - 1)
        return
    _settle(letter, resolved_at=timezone.now())
    metrics.DEAD_LETTERS.labels("resolved").inc()


def put_back(letter: DeadLetter, turns: Sequence[Turn], *, reason: str, extractor: str) -> None:
    """Note that these turns failed again, and why.

    Several stay due, to be tried one by one. A single one waits for an operator: as what is left of
    the letter, or as a letter of its own, and then the rest stays due.
    """
    why = {"reason": reason, "extractor": extractor}
    with tenant(letter.org_id):
        if len(turns) > 1:
            _go_on(letter, **why)
        elif not _leave_rest(letter, turns):
            wait_for_operator(letter, **why)
        elif _go_on(letter, first_turn=turns[0].index + 1, attempts=F("attempts") - 1):
            _write(letter.session, turns[0].index, turns[0].index, attempts=letter.attempts, **why)
    metrics.DEAD_LETTERS.labels("failed_again").inc()


def wait_for_operator(letter: DeadLetter, *, reason: str, extractor: str) -> None:
    """Leave the turns alone until somebody has them tried again."""
    _settle(letter, reason=reason, extractor=extractor)


def _leave_rest(letter: DeadLetter, turns: Sequence[Turn]) -> bool:
    return bool(turns) and turns[-1].index < letter.last_turn


def _go_on(letter: DeadLetter, **changes: Any) -> int:
    """Keep what is left due at once; nothing is changed twice."""
    same = DeadLetter.objects.filter(
        pk=letter.pk, first_turn=letter.first_turn, retry_after__isnull=False
    )
    return same.update(retry_after=timezone.now(), claimed_until=None, **changes)


def _settle(letter: DeadLetter, **changes: Any) -> None:
    with tenant(letter.org_id):
        found = DeadLetter.objects.filter(pk=letter.pk, resolved_at=None)
        found.update(retry_after=None, claimed_until=None, **changes)


def _write(session: Session, first: int, last: int, **fields: Any) -> None:
    letter = DeadLetter(
        org_id=session.org_id,
        agent_id=session.agent_id,
        session=session,
        first_turn=first,
        last_turn=last,
        **fields,
    )
    letter.save(force_insert=True)
