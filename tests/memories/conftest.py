"""Fixtures of the memory tests."""

from tests.memories.embedding import embedder, embedding, no_embedding
from tests.memories.model import model, model_away, model_peer

__all__ = ["embedder", "embedding", "model", "model_away", "model_peer", "no_embedding"]
