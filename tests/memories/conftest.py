"""Fixtures of the memory tests."""

from typing import Any

import pytest

from tests.memories.embedding import embedder, embedding, no_embedding

__all__ = ["embedder", "embedding", "no_embedding"]


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Any) -> None:
    """Nobody signs in here, and a slow hash for each of the world's people adds up."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
