"""Shared by the tests of privacy."""

from typing import Any

import pytest

from embedder.client import EmbedderClient
from embedder.errors import EmbeddingUnavailable


@pytest.fixture
def embedder_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer no embedding."""

    def away(*_args: Any, **_options: Any) -> None:
        raise EmbeddingUnavailable("tests")

    monkeypatch.setattr(EmbedderClient, "embed_sync", away)
