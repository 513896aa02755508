"""Embeddings for what is written; while the embedder is away, when to try again."""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from embedder.client import EmbedderClient, EmbeddingUnavailable, TextRefused
from embedder.limits import EMBEDDING_DIM, EMBEDDING_MODEL
from memories.models import SearchableModel

TIMEOUT_S = 5.0
PAUSE_S = 5.0
Vector = list[float]
FIRST_RETRY = timedelta(seconds=5)
LAST_RETRY = timedelta(minutes=10)


class Embedder:
    """The embedding service, left alone for a moment after it gave no answer.

    One that hangs would otherwise cost every memory of a batch the whole timeout.
    """

    def __init__(self) -> None:
        self._client = EmbedderClient(settings.EMBEDDER_URL, settings.SERVICE_TOKEN, TIMEOUT_S)
        self._away_until = 0.0

    def embed(self, org_id: UUID, texts: Sequence[str]) -> list[Vector | None]:
        """Embed texts in one call; all None when the service is away.

        When it refuses the texts, each is tried alone, and None stands for the one at fault.
        """
        if not texts or time.monotonic() < self._away_until:
            return [None] * len(texts)
        try:
            vectors = self._client.embed_sync(org_id, list(texts), kind="passage")
        except EmbeddingUnavailable:
            self._away_until = time.monotonic() + PAUSE_S
            return [None] * len(texts)
        except TextRefused:
            alone = len(texts) == 1
            return [None] if alone else [self.embed(org_id, [text])[0] for text in texts]
        return [vector.tolist() for vector in vectors]


def embed_or_wait(org_id: UUID, texts: Sequence[str]) -> list[Vector | None]:
    """Embed texts in one call; None for what has to wait. Never inside a transaction."""
    return embedder().embed(org_id, texts)


def set_embedding(item: SearchableModel, vector: Vector | None) -> None:
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
def embedder() -> Embedder:
    """Return this process's embedder; a forked child connects anew."""
    return Embedder()
