"""Fixtures of the memory tests."""

from tests.memories.embedding import embedder, embedding, no_embedding

__all__ = ["embedder", "embedding", "no_embedding"]
