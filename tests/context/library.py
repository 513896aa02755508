"""Things to find: memories and passages as the worker would leave them, with real embeddings."""

from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone

from agents.models import Agent
from embedder.config import model_dir
from embedder.limits import EMBEDDING_DIM, EMBEDDING_MODEL
from embedder.model import Model, load_model
from embedder.pieces import Cutter, join_windows
from ibex.ids import uuid7
from ibex.tenancy import tenant
from memories.indexing.postings import index_item
from memories.indexing.terms import count_terms
from memories.models import Memory, Passage, Posting
from memories.retrieval import Candidate, Query, Retrieval, Vector, retrieve_sync
from sessions.models import Session, Turn


@cache
def _model() -> tuple[Model, Cutter]:
    return load_model(model_dir(), 1), Cutter()


@cache
def embed(text: str) -> Vector:
    """Embed a text with the embedder's own model."""
    model, cutter = _model()
    (pieces,) = cutter.cut([text], "passage")
    return join_windows(pieces, model.run(pieces.windows))


def index(row: Memory | Passage, kind: int) -> None:
    """Put a row into the text index."""
    index_item(
        org_id=row.org_id,
        agent_id=row.agent_id,
        item_id=row.pk,
        kind=kind,
        subject=row.subject,
        terms=row.terms,
    )


def searchable(text: str, *, embedded: bool = True) -> dict[str, Any]:
    """Return the columns that make a text searchable."""
    terms = count_terms(text)
    columns: dict[str, Any] = {"terms": terms, "length": sum(terms.values())}
    if embedded:
        columns |= {"embedding": embed(text).tolist()}
        columns |= {"embedding_model": EMBEDDING_MODEL, "embedding_dim": EMBEDDING_DIM}
    return columns


def remember(agent: Agent, content: str, *, embedded: bool = True, **fields: Any) -> Memory:
    """Store a memory; it is in the text index exactly when it is active."""
    with tenant(agent.org_id):
        memory = Memory.objects.create(
            org_id=agent.org_id,
            agent=agent,
            content=content,
            content_hash=uuid7().hex,
            **{"valid_from": timezone.now() - timedelta(days=400)} | fields,
            **searchable(content, embedded=embedded),
        )
        if memory.status == Memory.Status.ACTIVE:
            index(memory, Posting.Kind.MEMORY)
    return memory


def open_session(agent: Agent, subject: str | None = None) -> Session:
    """Start a conversation."""
    with tenant(agent.org_id):
        return Session.objects.create(
            org_id=agent.org_id, agent=agent, external_id=uuid7().hex, subject=subject
        )


def say(session: Session, text: str, *answers: str, **fields: Any) -> list[Passage]:
    """Record one exchange and index its passages; return them, what the user said first."""
    with tenant(session.org_id):
        turn = Turn.objects.create(
            org_id=session.org_id,
            agent_id=session.agent_id,
            session=session,
            subject=session.subject,
            index=session.turn_count,
            request=b"",
            completion=b"",
            model="a-model",
            provider="local",
            latency_ms=1,
            request_id=str(uuid7()),
        )
        session.turn_count += 1
        session.save(update_fields=["turn_count"])
        return [_passage(turn, part, said, fields) for part, said in enumerate((text, *answers))]


def _passage(turn: Turn, part: int, text: str, fields: dict[str, Any]) -> Passage:
    passage = Passage.objects.create(
        org_id=turn.org_id,
        agent_id=turn.agent_id,
        subject=turn.subject,
        session_id=turn.session_id,
        turn=turn,
        turn_index=turn.index,
        part=part,
        role=Passage.Role.ASSISTANT if part else Passage.Role.USER,
        text=text,
        **{"said_at": timezone.now() - timedelta(minutes=1)} | fields,
        **searchable(text),
    )
    if passage.status == Passage.Status.SEARCHABLE:
        index(passage, Posting.Kind.PASSAGE)
    return passage


def ask(agent: Agent, text: str, *, by_meaning: bool = True, **fields: Any) -> Query:
    """Build a query; without meaning it has no vector."""
    return Query(
        org_id=fields.pop("org_id", agent.org_id),
        agent_id=agent.pk,
        text=text,
        vector=embed(text) if by_meaning else None,
        now=fields.pop("now", None) or datetime.now(tz=timezone.get_current_timezone()),
        **fields,
    )


def search(query: Query) -> Retrieval:
    """Run a query as a Django view would."""
    with tenant(query.org_id), connection.cursor() as cursor:
        return retrieve_sync(cursor, query)


def find(agent: Agent, text: str, **fields: Any) -> list[str]:
    """Return the contents of what is found, best first."""
    return [candidate.content for candidate in search(ask(agent, text, **fields)).candidates]


def find_by_id(retrieval: Retrieval, item: UUID) -> Candidate:
    """Return one of the candidates."""
    return next(candidate for candidate in retrieval.candidates if candidate.id == item)
