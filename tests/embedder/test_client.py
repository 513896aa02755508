"""The client that other processes use, on an event loop and in threads."""

import asyncio
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from embedder.client import EmbedderClient
from embedder.errors import EmbeddingUnavailable, TextRefused

TEXTS = ["She moved to Lisbon.", "He plays chess on Sundays.", "word " * 600]

FORKS = """
import os, sys
from uuid import UUID
from embedder.client import EmbedderClient
url, token = sys.argv[1:]
client, org = EmbedderClient(url, token, 10), UUID(int=1)
parent = client.embed_sync(org, ["one"], "passage")
children = [os.fork() for _ in range(1)]
for number in range(20):
    vectors = client.embed_sync(org, [f"{os.getpid()} says {number}", "one"], "passage")
    assert float(vectors[1] @ parent[0]) > 0.999
if children == [0]:
    os._exit(0)
assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
"""


def client_of(embedder, timeout_s: float = 10) -> EmbedderClient:
    return EmbedderClient(embedder.url, embedder.config.service_token, timeout_s)


async def both_ways(client: EmbedderClient, org: UUID, texts, kind):
    """Make the same call on the loop and in a thread."""
    try:
        yield lambda: client.embed(org, texts, kind)
        yield lambda: asyncio.to_thread(client.embed_sync, org, texts, kind)
    finally:
        await client.close()


async def test_it_returns_one_float32_row_a_text(embedder, org: UUID) -> None:
    async for call in both_ways(client_of(embedder), org, TEXTS, "passage"):
        vectors = await call()
        assert vectors.shape == (3, 384)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


async def test_no_texts_make_no_call(org: UUID) -> None:
    async for call in both_ways(EmbedderClient("http://127.0.0.1:1", "t", 1), org, [], "query"):
        assert (await call()).shape == (0, 384)


@pytest.mark.parametrize(
    "texts",
    [
        [" "],
        ["\u200b"],
        ["ok"] * 513,
        ["x" * 5_000_000],
        ["word " * 11_000],
        ["lone \ud800 surrogate"],
    ],
)
async def test_texts_at_fault_are_refused(embedder, org: UUID, texts: list[str]) -> None:
    async for call in both_ways(client_of(embedder), org, texts, "passage"):
        with pytest.raises(TextRefused) as refusal:
            await call()
        assert isinstance(refusal.value, ValueError)


async def test_a_service_that_is_not_there_is_unavailable(org: UUID) -> None:
    async for call in both_ways(EmbedderClient("http://127.0.0.1:1", "t", 1), org, ["x"], "query"):
        with pytest.raises(EmbeddingUnavailable):
            await call()


async def test_a_service_that_says_nothing_is_unavailable(org: UUID) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = EmbedderClient(f"http://127.0.0.1:{silent.getsockname()[1]}", "t", 0.1)
        async for call in both_ways(client, org, ["x"], "query"):
            with pytest.raises(EmbeddingUnavailable):
                await call()


async def test_a_service_that_cannot_work_is_unavailable(
    serve, redis_url: str, org: UUID, tmp_path: Path
) -> None:
    (tmp_path / "models").touch()
    with serve(redis_url, tmp_path / "models", ready=False) as broken:
        async for call in both_ways(client_of(broken), org, ["x"], "query"):
            with pytest.raises(EmbeddingUnavailable, match="status 50"):
                await call()


async def test_a_wrong_service_token_makes_it_unavailable(embedder, org: UUID) -> None:
    async for call in both_ways(EmbedderClient(embedder.url, "wrong", 5), org, ["x"], "query"):
        with pytest.raises(EmbeddingUnavailable, match="status 401"):
            await call()


async def test_something_else_at_that_address_is_unavailable(embedder, org: UUID) -> None:
    client = EmbedderClient(f"{embedder.url}/healthz?", embedder.config.service_token, 5)
    with pytest.raises(EmbeddingUnavailable):
        await client.embed(org, ["x"], "query")
    await client.close()


def test_threads_share_a_client(embedder, org: UUID) -> None:
    client = client_of(embedder)
    with ThreadPoolExecutor(8) as pool:
        asked = [f"fact number {number}" for number in range(64)]
        got = list(pool.map(lambda text: client.embed_sync(org, [text], "passage")[0], asked))
    together = client.embed_sync(org, asked, "passage")
    assert (np.sum(np.array(got) * together, axis=1) > 0.999).all()


def test_a_thread_keeps_its_connection(embedder, org: UUID) -> None:
    client = client_of(embedder)
    client.embed_sync(org, ["one"], "passage")
    kept = client._connection().sock
    client.embed_sync(org, ["two"], "passage")
    assert kept is not None
    assert client._connection().sock is kept


def test_a_forked_process_makes_its_own_connection(embedder, environment) -> None:
    arguments = [embedder.url, embedder.config.service_token]
    command = [sys.executable, "-c", FORKS, *arguments]
    subprocess.run(command, env=environment, check=True, timeout=30)


async def test_a_restart_of_the_service_goes_unnoticed(serve, redis_url: str, org: UUID) -> None:
    with serve(redis_url) as embedder:
        async for call in both_ways(client_of(embedder), org, ["x"], "query"):
            await call()
            embedder.stop()
            embedder.start()
            await asyncio.to_thread(embedder.wait_until_ready)
            assert (await call()).shape == (1, 384)
