"""Learning from a session: the turns past its cursor become passages and memories (contract §3).

Reading, embedding, extracting and writing are separate steps, none of which holds a transaction
open while another service works. Each step may be repeated: a passage is unique by turn and part,
a memory is not made twice from one turn, and the cursor only moves forward, last of all.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from django.db import connection
from django.utils import timezone

from agents.models import Agent
from ibex import due
from ibex.errors import DomainError
from ibex.tenancy import tenant
from memories import metrics
from memories.extraction import CandidateMemory, TurnText, get_extractor
from memories.models import Memory
from memories.passages import TurnWords, index_turns, read_turn
from memories.services import write_memory
from orgs.audit import Actor
from orgs.models import Organization
from sessions.models import Session, Turn

BATCH = 20
"""Turns of one run; what is left over stays due."""
CAREFUL_AFTER = 2
"""After so many failures turns are learned one by one, so that a bad one holds up no others."""
LONGEST_WAIT = timedelta(hours=1)
EXTRACTION = Actor.system("extraction")
TRY_LOCK = "SELECT pg_try_advisory_lock(hashtextextended('ibex.learn:' || %s, 0))"
UNLOCK = "SELECT pg_advisory_unlock(hashtextextended('ibex.learn:' || %s, 0))"

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Batch:
    """The turns to learn from next, and what decides how."""

    session: Session
    agent: Agent
    turns: Sequence[Turn]
    is_off: bool


def learn_from_session(*, org_id: UUID, session_id: UUID) -> None:
    """Learn from the turns of a session that nobody has learned from.

    Nothing happens when another worker is at it. After an error the session stays claimed for a
    while that doubles with every attempt, from a lease to an hour, and then is due again.
    """
    with _alone(session_id) as is_alone:
        batch = _next_batch(org_id, session_id) if is_alone else None
        if batch is None:
            return
        _learn(batch)
        _move_cursor(org_id, session_id, through=batch.turns[-1].index if batch.turns else -1)


@contextmanager
def _alone(session_id: UUID) -> Iterator[bool]:
    """Hold a lock on the connection, across transactions: a lost connection frees it."""
    with connection.cursor() as cursor:
        cursor.execute(TRY_LOCK, [str(session_id)])
        row = cursor.fetchone()
    taken = bool(row and row[0])
    try:
        yield taken
    finally:
        if taken and connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute(UNLOCK, [str(session_id)])


def _next_batch(org_id: UUID, session_id: UUID) -> Batch | None:
    """Read the turns past the cursor, and count the attempt before anything can go wrong."""
    with tenant(org_id):
        session = Session.objects.select_for_update().filter(pk=session_id).first()
        org = Organization.objects.filter(pk=org_id).first()
        if session is None or session.extract_after is None or org is None:
            return None
        if org.status == Organization.Status.DELETING:
            return None  # an erasure is under way, and nothing may be added to what it counted
        due.begin("learn", session.extract_after)
        limit = BATCH if session.extract_attempts < CAREFUL_AFTER else 1
        session.extract_claimed_until = timezone.now() + _wait(session.extract_attempts)
        session.extract_attempts += 1
        session.save(update_fields=["extract_claimed_until", "extract_attempts"])
        turns = session.turns.filter(index__gt=session.extracted_through).order_by("index")
        agent = Agent.objects.get(pk=session.agent_id)
        is_on = org.memory_extraction_enabled and agent.extraction_enabled
        return Batch(session, agent, list(turns[:limit]), not is_on)


def _wait(attempts: int) -> timedelta:
    lease = due.lease()
    return min(lease * float(2 ** min(attempts, 20)), max(LONGEST_WAIT, lease))


def _learn(batch: Batch) -> None:
    with tenant(batch.session.org_id):
        words = [read_turn(turn) for turn in batch.turns]
    index_turns(batch.session, words, is_off=batch.is_off)
    if batch.is_off:
        return
    extractor = get_extractor()
    for candidate in extractor.extract(_texts(words)):
        metrics.CANDIDATES.labels(extractor.version).inc()
        _remember(batch, candidate)


def _texts(words: Sequence[TurnWords]) -> list[TurnText]:
    return [
        TurnText(w.turn.pk, w.user, w.turn.created_at)
        for w in words
        if w.user and not w.turn.skip_extraction
    ]


def _remember(batch: Batch, candidate: CandidateMemory) -> None:
    """Write one candidate; one that breaks a rule is counted and left out."""
    session = batch.session
    of_subject = batch.agent.memory_scope == Agent.MemoryScope.SUBJECT
    try:
        write_memory(
            agent=batch.agent,
            content=candidate.content,
            actor=EXTRACTION,
            source=Memory.Source.EXTRACTED,
            labels=candidate.labels,
            confidence=candidate.confidence,
            subject=session.subject,
            session=session if of_subject and session.subject is None else None,
            subject_key=candidate.subject_key,
            valid_from=candidate.valid_from,
            valid_until=candidate.valid_until,
            observed_at=candidate.valid_from,
            source_turns=candidate.source_turns,
            replaces=candidate.replaces,
            retracts=candidate.retracts,
        )
    except DomainError as error:
        metrics.REFUSED.labels(type(error).__name__).inc()
        log.warning("candidate refused", reason=type(error).__name__, session=str(session.pk))


def _move_cursor(org_id: UUID, session_id: UUID, *, through: int) -> None:
    """Note how far the session was learned; turns that came meanwhile keep it due."""
    with tenant(org_id):
        session = Session.objects.select_for_update().get(pk=session_id)
        session.extracted_through = max(session.extracted_through, through)
        rest = session.turns.filter(index__gt=session.extracted_through).order_by("index")
        first = rest.values_list("created_at", flat=True).first()
        session.first_unextracted_at = first
        session.extract_after = session.extract_after if first else None
        session.extract_claimed_until = None
        session.extract_attempts = 0
        session.save(
            update_fields=[
                "extracted_through",
                "first_unextracted_at",
                "extract_after",
                "extract_claimed_until",
                "extract_attempts",
            ]
        )
