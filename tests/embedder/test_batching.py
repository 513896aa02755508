"""How concurrent requests share the model, and who goes first."""

import asyncio
import json
import socket
import time
from collections.abc import Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import numpy as np
import pytest

from embedder.batching import Batcher
from embedder.client import EmbedderClient
from embedder.lane import MAX_BATCH_PIECES, MAX_BATCH_TEXTS, Job, Lane
from embedder.limits import EMBEDDING_MODEL, MAX_WAITING_WINDOWS
from embedder.refusals import InternalError, NotServing


class Watched:
    """The real model, with a note of each batch it was given."""

    def __init__(self, model) -> None:
        self.model = model
        self.batches: list[list[int]] = []

    def run(self, windows: Sequence[Sequence[int]]):
        """Take note, then encode."""
        self.batches.append([window[1] for window in windows])
        return self.model.run(windows)


def window(first: int, pieces: int = 10) -> list[int]:
    return [101, first, *[2_000] * (pieces - 3), 102]


@asynccontextmanager
async def batching(model, kind="passage"):
    batcher = Batcher(kind)
    work = asyncio.create_task(batcher.run(model))
    try:
        yield batcher
    finally:
        work.cancel()
        batcher.close()


@pytest.fixture
def watched(model) -> Watched:
    return Watched(model)


async def test_fifty_concurrent_requests_are_batched(embedder, org: UUID) -> None:
    names = [f'ibex_embedding_batch_size_{part}{{kind="query"}}' for part in ("count", "sum")]
    batches, windows = map(embedder.metric, names)
    client = EmbedderClient(embedder.url, embedder.config.service_token, timeout_s=20)
    asked = [client.embed(org, [f"question number {n}"], "query") for n in range(50)]
    answers = await asyncio.gather(*asked)
    await client.close()
    assert {answer.shape for answer in answers} == {(1, 384)}
    assert embedder.metric(names[1]) - windows == 50
    assert embedder.metric(names[0]) - batches <= 25


async def test_each_caller_gets_its_own_vectors(watched) -> None:
    async with batching(watched) as batcher:
        wanted = {first: watched.model.run([window(first)])[0] for first in range(3_000, 3_040)}
        asked = [batcher.embed([window(first)]) for first in wanted]
        answers = await asyncio.gather(*asked)
    for vector, answer in zip(wanted.values(), answers, strict=True):
        assert vector @ answer[0] > 0.999


async def test_a_query_does_not_wait_for_bulk_work(embedder, org: UUID) -> None:
    client = EmbedderClient(embedder.url, embedder.config.service_token, timeout_s=20)
    texts = [f"{number} " + "word " * 240 for number in range(60)]
    bulk = asyncio.create_task(client.embed(org, texts, "passage"))
    for number in range(5):
        await client.embed(org, [f"question number {number}"], "query")
    assert not bulk.done()
    assert (await bulk).shape == (60, 384)
    await client.close()


async def test_the_windows_of_a_caller_that_left_are_not_computed(watched, wait_until) -> None:
    async with batching(watched) as batcher:
        bulk = asyncio.create_task(batcher.embed([window(5, 100)] * 60))
        await asyncio.to_thread(wait_until, lambda: len(watched.batches) >= 2)
        bulk.cancel()
        computed = len(watched.batches)
        await batcher.embed([window(9, 100)] * 20)
        assert [5, 5] not in watched.batches[computed + 1 :]


async def test_a_batch_that_fails_fails_alone(watched) -> None:
    async with batching(watched) as batcher:
        with pytest.raises(InternalError):
            await batcher.embed([[101, 999_999, 102]])  # no such word piece
        assert (await batcher.embed([window(9)])).shape == (1, 384)


async def test_a_full_queue_turns_requests_away() -> None:
    batcher = Batcher("passage")
    with pytest.raises(NotServing):
        await batcher.embed([window(9)] * (MAX_WAITING_WINDOWS + 1))


async def line_up(lane: Lane, name: int, windows: int, pieces: int = 10) -> None:
    future = asyncio.get_running_loop().create_future()
    job = Job(np.empty((windows, 384), np.float32), windows, future)
    lane.add(job, [window(name, pieces)] * windows)


def drain(lane: Lane) -> list[list[int]]:
    """Take every batch, each as the names of its windows."""
    return [[waiting.ids[1] for waiting in batch] for batch in iter(lane.take, [])]


async def test_a_small_request_does_not_wait_for_all_of_a_big_one() -> None:
    lane = Lane()
    await line_up(lane, 5, 400)
    lane.take()
    await line_up(lane, 6, 1)
    assert any(6 in batch for batch in drain(lane)[:3])


async def test_small_requests_never_shut_a_big_one_out() -> None:
    lane = Lane()
    await line_up(lane, 5, 400)
    for _ in range(10):
        lane.take()
    taken = []
    for _ in range(30):  # more arrives than can be taken
        await line_up(lane, 6, 20)
        taken += [waiting.ids[1] for waiting in lane.take()]
    assert taken.count(5) >= 20


async def test_a_batch_is_small_and_of_one_length() -> None:
    lane = Lane()
    for pieces in (10, 250, 12, 100, 60, 16, 64):
        await line_up(lane, pieces, 20, pieces)
    for batch in drain(lane):
        assert len(batch) <= MAX_BATCH_TEXTS
        assert len(batch) == 1 or max(batch) * len(batch) <= MAX_BATCH_PIECES
        assert max(batch) - min(batch) < 16


def test_a_caller_that_hangs_up_is_noticed(embedder, org: UUID, wait_until) -> None:
    left = 'ibex_embedding_requests_total{status="499"}'
    before = embedder.metric(left)
    texts = [f"{number} " + "word " * 240 for number in range(200)]
    body = json.dumps({"model": EMBEDDING_MODEL, "input": texts}).encode()
    head = (
        f"POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {embedder.config.service_token}\r\nX-IBEX-Org-ID: {org}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", embedder.port)) as connection:
        connection.sendall(head.encode() + body)
        time.sleep(0.2)
    wait_until(lambda: embedder.metric(left) > before)
    assert embedder.embed("still here").status == 200
    assert embedder.metric('ibex_embedding_waiting_windows{kind="passage"}') == 0
