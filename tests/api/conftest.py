"""Callers of the APIs: one role's routes, and a client that speaks JSON."""

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
import orjson
import pytest
from django.test import Client

from embedder.client import EmbedderClient
from embedder.errors import EmbeddingUnavailable
from embedder.limits import EMBEDDING_DIM
from ibex.tenancy import current_org_id
from tests.conftest import World

AGENTS = "/api/v1/agents"


@dataclass
class Api:
    """A caller with one credential; every answer is JSON."""

    client: Client
    headers: dict[str, str]

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send a request; `body` is encoded as JSON unless it is bytes or None."""
        options: dict[str, Any] = {}
        if body is not None:
            data = body if isinstance(body, bytes) else orjson.dumps(body)
            options = {"data": data, "content_type": "application/json"}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.generic(method, path, headers={**self.headers, **named}, **options)

    def get(self, path: str, **headers: str) -> Any:
        return self.call("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.call("POST", path, body, **headers)

    def patch(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.call("PATCH", path, body, **headers)

    def delete(self, path: str, **headers: str) -> Any:
        return self.call("DELETE", path, **headers)


MakeApi = Callable[..., Api]


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    """Spend no Argon2 on operators who never type their password here."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def api_urls(settings: Any) -> None:
    """Serve the routes of the role `api`."""
    settings.ROOT_URLCONF = "ibex.urls.api"


@pytest.fixture
def memory_urls(settings: Any) -> None:
    """Serve the routes of the role `memory`."""
    settings.ROOT_URLCONF = "ibex.urls.memory"


@pytest.fixture
def api() -> MakeApi:
    """Make a caller from a token's text; without one, an anonymous caller."""

    def _api(token: str | None = None) -> Api:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return Api(Client(raise_request_exception=False), headers)

    return _api


@pytest.fixture
def alice(api: MakeApi, world: World) -> Api:
    """Acme's caller with every permission."""
    return api(world.token())


@pytest.fixture
def mallory(api: MakeApi, world: World) -> Api:
    """Another org's caller with every permission."""
    return api(world.token(world.elsewhere))


def words_as_vector(text: str) -> np.ndarray:
    """Embed a text as the bag of its words: enough for a test to know what is near."""
    vector = np.zeros(EMBEDDING_DIM, dtype=np.float32)
    for word in re.findall(r"[a-z]+", text.lower()):
        vector[zlib.crc32(word.encode()) % EMBEDDING_DIM] += 1
    return vector / max(float(np.linalg.norm(vector)), 1e-9)


@pytest.fixture(autouse=True)
def embedder_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer no embedding: tests that want one ask for `embedder`."""

    def away(*_args: Any, **_options: Any) -> None:
        raise EmbeddingUnavailable("tests")

    monkeypatch.setattr(EmbedderClient, "embed_sync", away)


@pytest.fixture
def embedder(monkeypatch: pytest.MonkeyPatch, embedder_away: None) -> list[tuple[str, bool]]:
    """Answer embeddings; returns each text with whether a transaction was open meanwhile."""
    asked: list[tuple[str, bool]] = []

    def embed(_client: Any, _org: UUID, texts: list[str], kind: str) -> np.ndarray:
        asked.extend((text, current_org_id() is not None) for text in texts)
        return np.stack([words_as_vector(text) for text in texts])

    monkeypatch.setattr(EmbedderClient, "embed_sync", embed)
    return asked


def refused(response: Any, status: int, code: str) -> dict[str, Any]:
    """Check that an answer is the contract's envelope with this status and code; return it."""
    assert response.status_code == status, response.content
    error = response.json()["error"]
    assert error["code"] == code, error
    assert error["request_id"] == response["X-Request-ID"]
    assert {"message", "type", "param", "code", "request_id", "timestamp"} <= set(error)
    return error
