"""The same question again: as of then, as of now, and without one of the memories."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.utils import timezone

from agents.models import Agent
from context.packing import pack
from context.repetition import without_repetition
from ibex.differences import Piece, word_changes
from memories.retrieval import Candidate, Query, Retrieval, Vector, limit_for, retrieve_sync
from sessions import bodies
from sessions.errors import UnreadableBody
from sessions.models import Session, Turn
from sessions.prompt_parts import block_text
from sessions.why import Weighed

MAX_CHARACTERS = 16_000
"""Of a longer question its beginning and end are asked, as the proxy does."""
LOOK_BACK = 5
"""Turns that are looked through for the question: in a tool loop it stands before the results."""

MAX_PLACES = 20


@dataclass(frozen=True)
class Place:
    """Where one item stood: as recorded, asked again as of then, and asked now; None is nowhere."""

    id: UUID
    kind: str
    text: str
    recorded: int | None
    then: int | None
    now: int | None

    @property
    def moved(self) -> int:
        """How many places it rose since; negative when it fell or is gone."""
        gone = 1_000
        return (self.recorded or gone) - (self.now or gone)


@dataclass(frozen=True)
class Replay:
    """What the same question brings. `changes` is the prompt's difference without one item."""

    places: list[Place]
    more: int
    is_degraded: bool
    without: UUID | None
    changes: list[Piece] | None
    is_same: bool


def question_of(session: Session, turn: Turn) -> str:
    """Return the text that memories were looked for with; empty when there was none."""
    rows = Turn.objects.filter(org=session.org_id, session=session, index__lte=turn.index)
    for row in rows.defer("completion", "assembly").order_by("-index")[:LOOK_BACK]:
        try:
            said = [m for m in bodies.messages(row) if m.get("role") == "user"]
        except UnreadableBody:
            continue
        if said and (text := bodies.text_of(said[-1].get("content")).strip()):
            return _ends(text.replace("\x00", " ").encode("utf-8", "replace").decode())
    return ""


def ask_again(
    session: Session,
    turn: Turn,
    question: str,
    vector: Vector | None,
    *,
    recorded: list[Weighed],
    without: UUID | None,
) -> Replay:
    """Retrieve and pack as the context service does, with the agent as it is set up now."""
    agent, now = session.agent, timezone.now()
    then = _retrieve(session, turn, question, vector, now, turn.created_at)
    today = _retrieve(session, turn, question, vector, now, None)
    packed_then, packed_now = _packed(agent, then), _packed(agent, today)
    left = _packed(agent, today, without) if without else packed_now
    before, after = block_text(packed_now), block_text(left)
    places = _places(recorded, packed_then, packed_now, [*then.candidates, *today.candidates])
    return Replay(
        places=places[:MAX_PLACES],
        more=max(len(places) - MAX_PLACES, 0),
        is_degraded=vector is None,
        without=without,
        changes=word_changes(before, after) if without and before != after else None,
        is_same=before == after,
    )


def _retrieve(
    session: Session,
    turn: Turn,
    question: str,
    vector: Vector | None,
    now: datetime,
    as_of: datetime | None,
) -> Retrieval:
    agent = session.agent
    query = Query(
        org_id=session.org_id,
        agent_id=agent.pk,
        text=question,
        now=now,
        subject=turn.subject,
        session_id=session.pk,
        memory_scope="agent" if agent.memory_scope == Agent.MemoryScope.AGENT else "subject",
        vector=vector,
        as_of=as_of,
        limit=limit_for(agent.max_injected_memories),
    )
    with connection.cursor() as cursor:
        return retrieve_sync(cursor, query)


def _packed(agent: Agent, found: Retrieval, without: UUID | None = None) -> list[Candidate]:
    """Choose what would stand in the prompt, the most relevant first."""
    candidates = [one for one in found.candidates if one.id != without]
    said, _repeated = without_repetition(candidates)
    return pack(
        said, budget_tokens=agent.memory_budget_tokens, max_items=agent.max_injected_memories
    ).taken


def _places(
    recorded: list[Weighed], then: list[Candidate], now: list[Candidate], known: list[Candidate]
) -> list[Place]:
    """Put the ranks side by side; what is not found any more is named by what was recorded."""
    names: dict[UUID, tuple[str, str]] = {one.id: (one.kind, one.content) for one in known}
    names |= {one.id: (one.kind, one.text) for one in recorded if one.text is not None}
    ranks = [_ranks([one.id for one in listed]) for listed in (recorded, then, now)]
    ids = dict.fromkeys(one.id for listed in (recorded, now, then) for one in listed)
    return [Place(pk, *names.get(pk, ("", "")), *(rank.get(pk) for rank in ranks)) for pk in ids]


def _ranks(ids: list[UUID]) -> dict[UUID, int]:
    return {pk: rank for rank, pk in enumerate(ids, start=1)}


def _ends(text: str) -> str:
    half = MAX_CHARACTERS // 2
    return text if len(text) <= MAX_CHARACTERS else f"{text[:half]}\n{text[-half:]}"
