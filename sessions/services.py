"""Every write to sessions that is not the recorder's (which has its own SQL, `proxy/store.py`)."""

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from django.utils import timezone

from ibex import due
from ibex.tenancy import tenant
from orgs import audit
from orgs.audit import Actor
from sessions.models import Session, Turn

HowItEnded = Literal["completed", "abandoned"]
ACTIONS = {"completed": "session.complete", "abandoned": "session.abandon"}
IDLE = Actor.system("worker")


def complete_session(
    *, session: Session, actor: Actor, how: HowItEnded, reason: str = ""
) -> Session:
    """End a session; what it has not been learned from yet, and its archive, are due at once.

    `completed` by a caller, `abandoned` when it was idle for 30 minutes. Ending it again changes
    nothing; a later request makes it active again.
    """
    with tenant(session.org_id):
        return _end(Session.objects.select_for_update().get(pk=session.pk), actor, how, reason)


def complete_idle_session(*, org_id: UUID, session_id: UUID) -> None:
    """Abandon a session whose time has come, unless another turn has moved it."""
    with tenant(org_id):
        session = Session.objects.select_for_update().filter(pk=session_id).first()
        if session is None:
            return
        if session.completes_at is None or session.completes_at > timezone.now():
            session.completion_claimed_until = None
            session.save(update_fields=["completion_claimed_until"])
        else:
            due.begin("complete", session.completes_at)
            _end(session, IDLE, "abandoned")


def note_body_read(*, turn: Turn, part: str, actor: Actor) -> None:
    """Write down that somebody read a body as it was sent, before anything was redacted."""
    with tenant(turn.org_id):
        after = {"part": part, "session": str(turn.session_id), "turn": turn.index}
        audit.record("turn.body_read", turn, actor=actor, after=after, subject=turn.subject)


def note_raw_read(*, session: Session, turns: Sequence[int], actor: Actor) -> None:
    """Write down that somebody read turns' bodies on a page, as they were sent."""
    with tenant(session.org_id):
        after = {"first_turn": min(turns), "last_turn": max(turns)}
        audit.record("session.raw_read", session, actor=actor, after=after, subject=session.subject)


def _end(session: Session, actor: Actor, how: HowItEnded, reason: str = "") -> Session:
    if session.status in {how, Session.Status.COMPLETED}:
        return session
    before = {"status": session.status}
    session.status = how
    session.completed_at = timezone.now()
    session.completes_at = None
    session.completion_claimed_until = None
    session.extract_after = session.completed_at
    session.archive_after = session.completed_at
    session.archive_claimed_until = None
    session.save(
        update_fields=[
            "status",
            "completed_at",
            "completes_at",
            "completion_claimed_until",
            "extract_after",
            "archive_after",
            "archive_claimed_until",
        ]
    )
    audit.record(
        ACTIONS[how],
        session,
        actor=actor,
        before=before,
        after={"status": how, "turns": session.turn_count},
        reason=reason,
        subject=session.subject,
    )
    return session
