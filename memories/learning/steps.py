"""Learning from a session: the turns past its cursor become passages and memories (contract §3).

Reading, embedding, extracting and writing are separate steps, none of which holds a transaction
open while another service works. Each step may be repeated: a passage is unique by turn and part,
a memory is not made twice from one turn, and the cursor only moves forward, last of all.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from django.db import connection
from django.db.models import F
from django.utils import timezone

from agents.models import Agent
from analytics.models import ExtractionRecord
from ibex import due
from ibex.errors import DomainError
from ibex.tenancy import tenant
from memories import metrics
from memories.extraction import (
    CandidateMemory,
    ExtractionInvalid,
    ExtractionPaused,
    ExtractionUnavailable,
    TurnText,
    get_extractor,
)
from memories.extraction.calls import Call, noting_calls
from memories.learning import dead_letters
from memories.learning.passages import TurnWords, are_indexed, index_turns, read_turn
from memories.models import DeadLetter, Memory
from memories.services import write_memory
from orgs.audit import Actor
from orgs.models import Organization
from sessions.models import Session, Turn

BATCH = 20
"""Turns of one run; what is left over stays due."""
LONGEST_WAIT = timedelta(hours=1)
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
    while that doubles with every attempt, from a lease to an hour, and then is due again; while
    the extractor is away from everybody, until it may be asked again. Turns for which the
    extractor has no usable answer are set aside, and the cursor moves past them.
    """
    with _alone(session_id) as is_alone:
        batch = _next_batch(org_id, session_id) if is_alone else None
        if batch is None:
            return
        invalid = None
        try:
            _learn(batch)
        except ExtractionUnavailable as error:
            _put_off(batch, error)
            return
        except ExtractionInvalid as error:
            invalid = error
        _move_cursor(batch, invalid)


def learn_from_dead_letter(*, org_id: UUID, dead_letter_id: UUID) -> None:
    """Learn from turns that were set aside, if they are due; what they said is written once.

    When they fail again they are tried one by one, and those that fail alone wait for an operator;
    while the extractor is away they stay due.
    """
    session_id = dead_letters.session_of_due(org_id, dead_letter_id)
    if session_id is None:
        return
    with _alone(session_id) as is_alone:
        begun = _begin_again(org_id, dead_letter_id) if is_alone else None
        if begun is None:
            return
        letter, batch = begun
        try:
            _learn(batch)
        except ExtractionUnavailable as error:
            _note_away(batch, error)
            dead_letters.put_off(letter, error)
        except ExtractionInvalid as error:
            _note_invalid(batch, error)
            version = get_extractor().version
            dead_letters.put_back(letter, batch.turns, reason=error.reason, extractor=version)
        else:
            dead_letters.resolve(letter, batch.turns)


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
        limit = BATCH if session.extract_attempts < dead_letters.CAREFUL_AFTER else 1
        session.extract_claimed_until = timezone.now() + _wait(session.extract_attempts)
        session.extract_attempts += 1
        session.save(update_fields=["extract_claimed_until", "extract_attempts"])
        turns = session.turns.filter(index__gt=session.extracted_through).order_by("index")
        agent = Agent.objects.get(pk=session.agent_id)
        is_on = org.memory_extraction_enabled and agent.extraction_enabled
        return Batch(session, agent, list(turns[:limit]), not is_on)


def _begin_again(org_id: UUID, dead_letter_id: UUID) -> tuple[DeadLetter, Batch] | None:
    """Read the turns of a dead letter; where nothing may be learned it waits for an operator."""
    with tenant(org_id):
        org = Organization.objects.filter(pk=org_id).first()
        if org is None or org.status == Organization.Status.DELETING:
            return None
        letter = dead_letters.begin(dead_letter_id, _wait)
        if letter is None:
            return None
        session, agent = letter.session, letter.agent
        turns = session.turns.filter(index__range=(letter.first_turn, letter.last_turn))
        is_on = org.memory_extraction_enabled and agent.extraction_enabled
        if not is_on:
            dead_letters.wait_for_operator(letter, reason=letter.reason, extractor=letter.extractor)
            return None
        limit = 1 if dead_letters.is_tried_alone(letter) else None
        return letter, Batch(session, agent, list(turns.order_by("index")[:limit]), is_off=False)


def _wait(attempts: int) -> timedelta:
    lease = due.lease()
    return min(lease * float(2 ** min(attempts, 20)), max(LONGEST_WAIT, lease))


def _learn(batch: Batch) -> None:
    extractor = get_extractor()
    if (
        not batch.is_off
        and (pause := extractor.pause())
        and are_indexed(batch.session, batch.turns)
    ):
        raise ExtractionPaused(pause)  # nothing is left to do but to ask
    with tenant(batch.session.org_id):
        words = [read_turn(turn) for turn in batch.turns]
    index_turns(batch.session, words, is_off=batch.is_off)
    if batch.is_off:
        return
    with noting_calls() as calls:
        try:
            candidates = extractor.extract(_texts(words))
        finally:
            _record_calls(batch, extractor.version, calls)
    actor = Actor.system(f"extraction {extractor.version}")
    for candidate in candidates:
        metrics.CANDIDATES.labels(extractor.version).inc()
        _remember(batch, candidate, actor)


def _record_calls(batch: Batch, version: str, calls: Sequence[Call]) -> None:
    """Store what the calls cost, the failed ones too."""
    if not calls:
        return
    session = batch.session
    with tenant(session.org_id):
        ExtractionRecord.objects.bulk_create(
            ExtractionRecord(
                org_id=session.org_id,
                agent_id=session.agent_id,
                session_id=session.pk,
                extractor=version,
                **asdict(call),
            )
            for call in calls
        )


def _texts(words: Sequence[TurnWords]) -> list[TurnText]:
    return [
        TurnText(w.turn.pk, w.user, w.turn.created_at)
        for w in words
        if w.user and not w.turn.skip_extraction
    ]


def _remember(batch: Batch, candidate: CandidateMemory, actor: Actor) -> None:
    """Write one candidate; one that breaks a rule is counted and left out."""
    session = batch.session
    of_subject = batch.agent.memory_scope == Agent.MemoryScope.SUBJECT
    try:
        write_memory(
            agent=batch.agent,
            content=candidate.content,
            actor=actor,
            source=Memory.Source.EXTRACTED,
            labels=candidate.labels,
            confidence=candidate.confidence,
            subject=session.subject,
            session=session if of_subject and session.subject is None else None,
            subject_key=candidate.subject_key,
            valid_from=candidate.valid_from,
            valid_until=candidate.valid_until,
            observed_at=candidate.observed_at or candidate.valid_from,
            source_turns=candidate.source_turns,
            replaces=candidate.replaces,
            retracts=candidate.retracts,
        )
    except DomainError as error:
        metrics.REFUSED.labels(type(error).__name__).inc()
        log.warning("candidate refused", reason=type(error).__name__, session=str(session.pk))


def _put_off(batch: Batch, error: ExtractionUnavailable) -> None:
    """Leave the turns claimed; when the claim expires they are due again.

    That is when the pause is over, if there is one; who was not even asked has made no attempt.
    """
    _note_away(batch, error)
    if error.wait is not None:
        with tenant(batch.session.org_id):
            Session.objects.filter(pk=batch.session.pk).update(
                extract_claimed_until=timezone.now() + error.wait,
                extract_attempts=F("extract_attempts") - int(not error.was_asked),
            )


def _note_away(batch: Batch, error: ExtractionUnavailable) -> None:
    if not error.was_asked:
        metrics.EXTRACTION_PAUSED.inc()
    else:
        log.warning("extractor away", reason=str(error), session=str(batch.session.pk))


def _note_invalid(batch: Batch, error: ExtractionInvalid) -> None:
    log.warning(
        "extraction invalid",
        reason=error.reason.value,
        problem=error.problem,
        session=str(batch.session.pk),
    )


def _move_cursor(batch: Batch, invalid: ExtractionInvalid | None) -> None:
    """Note how far the session was learned; turns that came meanwhile keep it due.

    Turns without a usable answer are set aside in the same transaction.
    """
    through = batch.turns[-1].index if batch.turns else -1
    with tenant(batch.session.org_id):
        session = Session.objects.select_for_update().get(pk=batch.session.pk)
        if invalid:
            _note_invalid(batch, invalid)
            dead_letters.set_aside(
                session,
                batch.turns[0].index,
                through,
                reason=invalid.reason,
                extractor=get_extractor().version,
            )
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
