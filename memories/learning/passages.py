"""What of a turn can be found again: its user text, and the beginning of its answer.

Part 0 is what the user said, parts 1 and 2 the answer (contract §1). Every turn gets its rows,
hidden ones too, so that indexing it twice does nothing.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from context.formatting import strip_blocks
from ibex.tenancy import tenant
from memories import metrics
from memories.indexing.searchability import count_words, publish_passage
from memories.indexing.terms import count_terms
from memories.indexing.text import sanitise
from memories.indexing.vectors import embed_or_wait, set_embedding
from memories.learning.recalls import injected, note_recalls, was_given_what_is_gone
from memories.learning.splitting import first_piece, pieces
from memories.models import Memory, Passage
from memories.screening.redaction import redact
from memories.screening.risk import QUARANTINE_ABOVE, injection_risk
from memories.writing.neighbours import lock_agent
from sessions.bodies import answer_text, user_text
from sessions.models import Session, Turn

USER_CHARACTERS = 2_000
ANSWER_CHARACTERS = 1_000
"""About 256 word pieces: what the embedding model reads at once."""
MAX_ANSWER_PARTS = 2
OPEN_BLOCK = re.compile(r"<ibex-context-[0-9a-f]{8}.*", re.DOTALL)
ECHO_SHARE = 0.8
"""An answer is an echo when injected text holds this share of what it adds to the question."""


@dataclass(frozen=True)
class TurnWords:
    """What was said in a turn, cleaned: no injected blocks, no personal data, storable."""

    turn: Turn
    user: str
    answer: str
    held_block: bool
    answer_held_block: bool


def read_turn(turn: Turn) -> TurnWords:
    """Read a turn's text and take out what must not be learned or found (the loop guard)."""
    said, answered = sanitise(user_text(turn)), sanitise(answer_text(turn))
    user, answer = _without_blocks(said), _without_blocks(answered)
    words = TurnWords(
        turn,
        redact(user).text.strip(),
        redact(answer).text.strip(),
        user != said,
        answer != answered,
    )
    if words.held_block:
        metrics.LOOP_GUARD.labels("request").inc()
    if words.answer_held_block:
        metrics.LOOP_GUARD.labels("answer").inc()
    return words


def _without_blocks(text: str) -> str:
    """Cut blocks out, and with one that lost its end all that follows."""
    return OPEN_BLOCK.sub("", strip_blocks(text))


def index_turns(session: Session, turns: Sequence[TurnWords], *, is_off: bool) -> None:
    """Make the passages of these turns, embedded in one call; what is there already stays.

    `is_off`: the organization or the agent has switched extraction off. The text of such turns, and
    of skipped ones, is not copied at all.
    """
    with tenant(session.org_id):
        passages = _missing(
            session, [p for words in turns for p in _passages(session, words, is_off)]
        )
    shown = [p for p in passages if p.status == Passage.Status.SEARCHABLE]
    vectors = embed_or_wait(session.org_id, [p.text for p in shown])
    for passage, vector in zip(shown, vectors, strict=True):
        count_words(passage, passage.text)
        set_embedding(passage, vector)
    with tenant(session.org_id):
        lock_agent(session.agent_id)
        note_recalls([words.turn for words in turns])
        gone = {words.turn.pk: was_given_what_is_gone(words.turn) for words in turns}
        for passage in _missing(session, passages):
            if passage.part and gone[passage.turn_id]:
                passage.status = Passage.Status.HIDDEN
                passage.hidden_because = gone[passage.turn_id]
            passage.save(force_insert=True)
            if passage.status == Passage.Status.SEARCHABLE:
                publish_passage(passage)
            metrics.PASSAGES.labels(passage.status).inc()


def are_indexed(session: Session, turns: Sequence[Turn]) -> bool:
    """Say whether there are turns and all of them have their passages."""
    with tenant(session.org_id):
        made = Passage.objects.filter(session=session, turn__in=turns)
        return 0 < len(turns) == made.values("turn").distinct().count()


def _passages(session: Session, words: TurnWords, is_off: bool) -> list[Passage]:
    if is_off or words.turn.skip_extraction:
        reason = "extraction off" if is_off else "extraction skipped"
        return [_hidden(session, words.turn, 0, "", reason)]
    said = _passage(session, words.turn, 0, first_piece(words.user, USER_CHARACTERS))
    reason = "echo" if words.answer_held_block or _is_echo(words) else ""
    said.loop_guarded = words.held_block
    texts = list(pieces(words.answer, ANSWER_CHARACTERS))[:MAX_ANSWER_PARTS] or [""]
    answers = [_passage(session, words.turn, i, text, reason) for i, text in enumerate(texts, 1)]
    for answer in answers:
        answer.loop_guarded = reason == "echo"
    return [said, *answers]


def _passage(session: Session, turn: Turn, part: int, text: str, reason: str = "") -> Passage:
    risk = injection_risk(text)
    if not text:
        reason = "empty"
    elif risk > QUARANTINE_ABOVE:
        reason = "injection risk"
    passage = _hidden(session, turn, part, text, reason)
    passage.injection_risk = risk
    if not reason:
        passage.status = Passage.Status.SEARCHABLE
    return passage


def _hidden(session: Session, turn: Turn, part: int, text: str, reason: str) -> Passage:
    return Passage(
        org_id=session.org_id,
        agent_id=session.agent_id,
        subject=session.subject,
        session=session,
        turn=turn,
        turn_index=turn.index,
        part=part,
        role=Passage.Role.ASSISTANT if part else Passage.Role.USER,
        text=text,
        status=Passage.Status.HIDDEN,
        hidden_because=reason,
        said_at=turn.created_at,
    )


def _missing(session: Session, passages: list[Passage]) -> list[Passage]:
    """Leave out what another worker, or an earlier attempt, has made."""
    turns = {passage.turn_id for passage in passages}
    made = Passage.objects.filter(session=session, turn_id__in=turns)
    there = set(made.values_list("turn_id", "part"))
    return [p for p in passages if (p.turn_id, p.part) not in there]


def _is_echo(words: TurnWords) -> bool:
    """Say whether the answer adds to the question little but what was injected for it."""
    injected = _injected_texts(words.turn)
    if not injected:
        return False
    added = set(count_terms(words.answer)) - set(count_terms(words.user))
    known = set(count_terms(" ".join(injected)))
    return len(added & known) >= ECHO_SHARE * len(added)


def _injected_texts(turn: Turn) -> list[str]:
    identities = [item_id for item_id, _entry in injected(turn)]
    memories = Memory.objects.filter(pk__in=identities).values_list("content", flat=True)
    passages = Passage.objects.filter(pk__in=identities).values_list("text", flat=True)
    return [*memories, *passages] if identities else []
