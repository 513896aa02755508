"""A search as the APIs answer it: memories in order of relevance, with their score parts."""

from dataclasses import asdict, replace
from functools import cache
from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.utils import timezone

from agents.models import Agent
from embedder.client import EmbedderClient
from embedder.errors import EmbeddingUnavailable
from ibex.tenancy import tenant
from memories.models import Memory
from memories.retrieval import Candidate, Query, Vector, retrieve_sync
from memories.serializers import MemorySerializer

EMBED_TIMEOUT_S = 1.0


def query_vector(org_id: UUID, text: str, mode: str) -> Vector | None:
    """Embed what was asked; None for keyword searches and while the embedder is away.

    Never call it inside a transaction: it waits for another service.
    """
    if mode == "keyword":
        return None
    try:
        (vector,) = _client().embed_sync(org_id, [text], kind="query")
    except EmbeddingUnavailable:
        return None
    return cast("Vector", vector)


def find_memories(
    agent: Agent, question: dict[str, Any], *, subject: str | None, vector: Vector | None
) -> dict[str, Any]:
    """Search among what `agent` (and `subject`) may see, and render the answer.

    Without its vector a semantic or hybrid search compares words alone, and says `degraded`.
    """
    query = Query(
        org_id=agent.org_id,
        agent_id=agent.pk,
        text=compared_words(question["query"], question["mode"], vector),
        now=timezone.now(),
        subject=subject,
        memory_scope="agent" if agent.memory_scope == Agent.MemoryScope.AGENT else "subject",
        vector=vector,
        limit=question["limit"],
        kinds=frozenset({"memory"}),
    )
    with tenant(agent.org_id):
        found = search(query)
        ids = [candidate.id for candidate in found]
        rows = Memory.objects.filter(org=agent.org_id, pk__in=ids).prefetch_related("labels")
        by_id = {memory.pk: memory for memory in rows}
        show = MemorySerializer().to_representation
        items = [
            {**show(by_id[one.id]), "score": one.score, "scores": asdict(one.scores)}
            for one in found
            if one.id in by_id  # unless it was erased this very moment
        ]
    return {"items": items, "degraded": vector is None and question["mode"] != "keyword"}


def compared_words(text: str, mode: str, vector: Vector | None) -> str:
    """Return the words that take part in a search: none in one by meaning, if it can be that."""
    return "" if mode == "semantic" and vector is not None else text


def search(query: Query) -> list[Candidate]:
    """Return what is shown, best first. Call it inside the tenant.

    That is what passed the floor; by words alone, whatever holds one of them: the floor keeps
    common words out of prompts, but who searches for one wants to find it.
    """
    with connection.cursor() as cursor:
        found = retrieve_sync(cursor, replace(query, missed=query.limit))
    if query.vector is not None:
        return found.candidates[: query.limit]
    matched = [one for one in found.missed if one.scores.bm25 > 0]
    return [*found.candidates, *matched][: query.limit]


@cache
def _client() -> EmbedderClient:
    return EmbedderClient(settings.EMBEDDER_URL, settings.SERVICE_TOKEN, EMBED_TIMEOUT_S)
