"""Embeddings for what is written; while the embedder is away, when to try again."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from embedder.client import EmbedderClient, EmbeddingUnavailable
from embedder.limits import EMBEDDING_DIM, EMBEDDING_MODEL
from memories.models import SearchableModel

TIMEOUT_S = 5.0
FIRST_RETRY = timedelta(seconds=5)
LAST_RETRY = timedelta(minutes=10)


def embed_or_wait(org_id: UUID, texts: Sequence[str]) -> list[list[float] | None]:
    """Embed texts in one call; all None when the embedder is away. Never inside a transaction."""
    if not texts:
        return []
    try:
        vectors = _client().embed_sync(org_id, list(texts), kind="passage")
    except EmbeddingUnavailable:
        return [None] * len(texts)
    return [vector.tolist() for vector in vectors]


def set_embedding(item: SearchableModel, vector: list[float] | None) -> None:
    """Give an item its vector, or mark the embedding as due soon."""
    item.embedding = vector
    item.embedding_model = EMBEDDING_MODEL if vector else None
    item.embedding_dim = EMBEDDING_DIM if vector else None
    item.embed_after = None if vector else timezone.now() + FIRST_RETRY
    item.embed_claimed_until = None


def next_try(waiting_since: datetime) -> datetime:
    """Return when to try again: after as long as the item has waited already, 5 s to 10 min."""
    now = timezone.now()
    return now + min(max(now - waiting_since, FIRST_RETRY), LAST_RETRY)


@cache
def _client() -> EmbedderClient:
    return EmbedderClient(settings.EMBEDDER_URL, settings.SERVICE_TOKEN, TIMEOUT_S)
