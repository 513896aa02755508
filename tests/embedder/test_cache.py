"""The cache: what it saves, whom it keeps apart, and how little its absence matters."""

from functools import partial
from hashlib import sha256
from uuid import UUID

import numpy as np
import pytest
import redis

from embedder.limits import EMBEDDING_MODEL, VECTOR_BYTES
from ibex.ids import uuid7

HITS = "ibex_embedding_cache_hits_total"
MISSES = "ibex_embedding_cache_misses_total"
ERRORS = "ibex_embedding_cache_errors_total"


def counted(embedder, call) -> tuple[float, float]:
    """Return how many hits and misses a call made."""
    before = [embedder.metric(HITS), embedder.metric(MISSES)]
    assert call().status == 200
    return embedder.metric(HITS) - before[0], embedder.metric(MISSES) - before[1]


def key_of(org: UUID, text: str, kind: str = "passage") -> str:
    return f"{org}:embed:{EMBEDDING_MODEL}:{kind}:{sha256(text.encode()).hexdigest()}"


@pytest.fixture
def store(redis_url: str):
    with redis.Redis.from_url(redis_url) as connection:
        yield connection


@pytest.fixture
def remember(embedder, store, org: UUID, wait_until):
    """Embed a text and wait until its vector is in the cache."""

    def remember(text: str) -> np.ndarray:
        vector = embedder.embed(text, org=org).json["data"][0]["embedding"]
        wait_until(lambda: store.exists(key_of(org, text)))
        return np.array(vector, np.float32)

    return remember


def test_the_second_time_is_a_hit(embedder, remember, org: UUID) -> None:
    first = remember("a fact")
    assert counted(embedder, lambda: embedder.embed("a fact", org=org)) == (1, 0)
    again = embedder.embed("a fact", org=org).json
    np.testing.assert_allclose(again["data"][0]["embedding"], first, rtol=1e-6)
    assert again["usage"]["prompt_tokens"] == 2


def test_the_entry_is_float32_under_the_orgs_key_and_expires(
    embedder, store, remember, org: UUID
) -> None:
    vector = remember("a fact")
    value = store.get(key_of(org, "a fact"))
    assert len(value) == VECTOR_BYTES
    np.testing.assert_allclose(np.frombuffer(value, "<f4"), vector, rtol=1e-6)
    assert 86_000 < store.ttl(key_of(org, "a fact")) <= 86_400


def test_another_org_does_not_share_the_entry(embedder, remember, org: UUID) -> None:
    remember("a fact")
    assert counted(embedder, lambda: embedder.embed("a fact", org=uuid7())) == (0, 1)
    assert counted(embedder, lambda: embedder.embed("a fact", org=org)) == (1, 0)


def test_a_query_does_not_share_the_entry_of_a_passage(embedder, remember, org: UUID) -> None:
    remember("a fact")
    assert counted(embedder, lambda: embedder.embed("a fact", org=org, kind="query")) == (0, 1)


def test_only_what_is_missing_is_computed(embedder, remember, org: UUID) -> None:
    known = remember("known")
    texts = ["new", "known", "newer", "known"]
    assert counted(embedder, lambda: embedder.embed(texts, org=org)) == (1, 2)
    data = embedder.embed(texts, org=org).json["data"]
    for index in (1, 3):
        np.testing.assert_allclose(data[index]["embedding"], known, rtol=1e-6)


def test_a_damaged_entry_is_computed_again(embedder, store, org: UUID) -> None:
    store.set(key_of(org, "a fact"), b"short")
    assert counted(embedder, lambda: embedder.embed("a fact", org=org)) == (0, 1)


def test_with_redis_killed_it_still_answers_and_says_so(serve, own_redis, org: UUID) -> None:
    with serve(own_redis.url) as embedder:
        assert embedder.get("/readyz").json["status"] == "ok"
        assert embedder.embed("a fact", org=org).status == 200
        own_redis.kill()
        before = embedder.metric(ERRORS)
        for number in range(5):
            assert embedder.embed(f"fact {number}", org=org).status == 200
        ready = embedder.get("/readyz")
        assert (ready.status, ready.json["status"]) == (200, "degraded")
        assert ready.json["checks"]["model"]["status"] == "ok"
        assert embedder.metric(ERRORS) == before + 1  # the others did not even ask


def test_when_redis_is_back_it_is_used_again(serve, own_redis, org: UUID, wait_until) -> None:
    with serve(own_redis.url) as embedder:
        own_redis.kill()
        assert embedder.embed("a fact", org=org).status == 200
        own_redis.start()
        again = partial(embedder.embed, "a fact", org=org)
        wait_until(lambda: counted(embedder, again) == (1, 0))


def test_a_redis_that_hangs_is_given_up_on(serve, own_redis, org: UUID) -> None:
    with serve(own_redis.url) as embedder:
        assert embedder.embed("a fact", org=org).status == 200
        own_redis.freeze()
        before = embedder.metric(ERRORS)
        for number in range(5):
            assert embedder.embed(f"fact {number}", org=org).status == 200
        assert embedder.metric(ERRORS) == before + 1
        assert embedder.get("/readyz").json["status"] == "degraded"


def test_no_metric_names_an_org(embedder, org: UUID) -> None:
    assert embedder.embed("a fact", org=org).status == 200
    assert str(org) not in embedder.get("/metrics").text
