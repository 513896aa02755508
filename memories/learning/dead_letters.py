"""Turns that could not be learned from: set aside with a reason, tried again, resolved.

The turns stay where they are; a dead letter names them. Learning from them again is a part of
`memories.learning.steps`; here stands what changes the rows.
"""

from collections.abc import Callable
from datetime import timedelta
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
from sessions.models import Session


def set_aside(session: Session, first: int, last: int, *, reason: str, extractor: str) -> None:
    """Note that these turns were not learned from. Call it where the cursor moves past them."""
    letter = DeadLetter(
        org_id=session.org_id,
        agent_id=session.agent_id,
        session=session,
        first_turn=first,
        last_turn=last,
        reason=reason,
        extractor=extractor,
    )
    letter.save(force_insert=True)
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


def resolve(dead_letter: DeadLetter) -> None:
    """Note that the turns were learned from."""
    _settle(dead_letter, resolved=True)
    metrics.DEAD_LETTERS.labels("resolved").inc()


def put_off(dead_letter: DeadLetter, error: ExtractionUnavailable) -> None:
    """Keep the turns due: from when the extractor may be asked again, or from their next try on."""
    if error.wait is not None:
        with tenant(dead_letter.org_id):
            DeadLetter.objects.filter(pk=dead_letter.pk).update(
                claimed_until=timezone.now() + error.wait,
                attempts=F("attempts") - int(not error.was_asked),
            )


def put_back(dead_letter: DeadLetter, *, reason: str, extractor: str) -> None:
    """Note that it failed again, and why; it waits for an operator."""
    _settle(dead_letter, resolved=False, reason=reason, extractor=extractor)
    metrics.DEAD_LETTERS.labels("failed_again").inc()


def _settle(dead_letter: DeadLetter, *, resolved: bool, **changes: str) -> None:
    with tenant(dead_letter.org_id):
        found = DeadLetter.objects.filter(pk=dead_letter.pk, resolved_at=None)
        found.update(
            retry_after=None,
            claimed_until=None,
            resolved_at=timezone.now() if resolved else None,
            **changes,
        )
