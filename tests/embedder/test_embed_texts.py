"""Embeddings as the official client gets them, and what the vectors are good for."""

from uuid import UUID

import numpy as np
import openai
import pytest

from embedder.limits import EMBEDDING_DIM, EMBEDDING_MODEL

LONG = "The ferry to the island leaves every morning at seven, unless the wind is too strong. " * 12


@pytest.fixture
def client(embedder, org: UUID) -> openai.OpenAI:
    return openai.OpenAI(
        base_url=f"{embedder.url}/v1",
        api_key=embedder.config.service_token,
        default_headers={"X-IBEX-Org-ID": str(org)},
        max_retries=0,
    )


def vectors_of(embedder, texts, **fields):
    answer = embedder.embed(texts, **fields)
    assert answer.status == 200, answer.text
    return np.array([item["embedding"] for item in answer.json["data"]], np.float32)


def test_the_official_client_gets_floats(client: openai.OpenAI) -> None:
    answer = client.embeddings.create(
        model=EMBEDDING_MODEL, input="She moved to Lisbon.", encoding_format="float", user="u1"
    )
    assert answer.model == EMBEDDING_MODEL
    assert answer.object == "list"
    assert answer.data[0].object == "embedding"
    assert len(answer.data[0].embedding) == EMBEDDING_DIM
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == 5


def test_the_official_clients_default_of_base64_holds_the_same_numbers(
    client: openai.OpenAI,
) -> None:
    texts = ["She moved to Lisbon.", "He plays chess on Sundays."]
    packed = client.embeddings.create(model=EMBEDDING_MODEL, input=texts, dimensions=EMBEDDING_DIM)
    plain = client.embeddings.create(model=EMBEDDING_MODEL, input=texts, encoding_format="float")
    assert [item.index for item in packed.data] == [0, 1]
    for one, other in zip(packed.data, plain.data, strict=True):
        np.testing.assert_allclose(one.embedding, other.embedding, rtol=1e-6)


def test_vectors_have_length_one_and_the_order_of_their_texts(embedder) -> None:
    texts = [f"fact number {number}" for number in range(40)]
    together = vectors_of(embedder, texts)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    last = vectors_of(embedder, texts[-1])
    assert together[-1] @ last[0] > 0.999


def test_a_text_has_the_same_vector_alone_and_beside_long_ones(embedder) -> None:
    short = "Prefers tabs."
    alone = vectors_of(embedder, short)[0]
    crowded = vectors_of(embedder, [LONG, short, LONG + "It is full in July.", "ok", "a b c d e f"])
    assert crowded[1] @ alone > 0.999


def test_a_text_given_twice_is_answered_twice(embedder) -> None:
    first, second, third = vectors_of(embedder, ["same", "other", "same"])
    np.testing.assert_array_equal(first, third)
    assert first @ second < 0.99


def test_what_means_the_same_is_nearest(embedder) -> None:
    question = vectors_of(embedder, "Which database do we run in production?", kind="query")[0]
    passages = [
        "The production system stores its data in Postgres.",
        "The team has lunch together on Thursdays.",
        "Alice is allergic to peanuts.",
        "Our office plants are watered by Bob.",
    ]
    assert np.argmax(vectors_of(embedder, passages) @ question) == 0


@pytest.mark.parametrize(
    "text", ["\x00", "日本語の文章", "🙂 🙂", "[CLS] [SEP] [PAD]", "x" * 5_000]
)
def test_odd_texts_have_finite_vectors_or_are_refused(embedder, text: str) -> None:
    answer = embedder.embed(text)
    assert answer.status == (400 if text == "\x00" else 200)
    if answer.status == 200:
        assert np.isfinite(answer.json["data"][0]["embedding"]).all()


def test_a_request_id_comes_back_or_is_made(embedder) -> None:
    given = "0196f3a0-0000-7000-8000-000000000001"
    body = {"model": EMBEDDING_MODEL, "input": "x"}
    assert embedder.post(body, x_request_id=given).headers["x-request-id"] == given
    made = embedder.post(body, x_request_id="not a uuid").headers["x-request-id"]
    assert UUID(made).version == 7
