"""How concurrent requests share the model, and who goes first."""

import asyncio
import json
import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from uuid import UUID

import numpy as np
import pytest

from embedder.batching import Batcher
from embedder.client import EmbedderClient
from embedder.lanes import MAX_BATCH_PIECES, MAX_BATCH_TEXTS, Job, Lanes
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
async def batching(model):
    with ThreadPoolExecutor(1) as thread:
        batcher = Batcher(thread)
        work = asyncio.create_task(batcher.run(model))
        try:
            yield batcher
        finally:
            work.cancel()


@pytest.fixture
def watched(model) -> Watched:
    return Watched(model)


async def test_fifty_concurrent_requests_are_batched(embedder, org: UUID) -> None:
    names = ("ibex_embedding_batch_size_count", "ibex_embedding_batch_size_sum")
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
        asked = [batcher.embed([window(first)], urgent=False) for first in wanted]
        answers = await asyncio.gather(*asked)
    for vector, answer in zip(wanted.values(), answers, strict=True):
        assert vector @ answer[0] > 0.999


async def test_a_query_waits_for_one_batch_of_bulk_work_at_most(watched, wait_until) -> None:
    async with batching(watched) as batcher:
        bulk = asyncio.create_task(batcher.embed([window(5, 100)] * 60, urgent=False))
        await asyncio.to_thread(wait_until, lambda: len(watched.batches) >= 2)
        started = len(watched.batches)
        await batcher.embed([window(9)], urgent=True)
        assert [9] in watched.batches[: started + 2]
        assert not bulk.done()
        bulk.cancel()


async def test_the_windows_of_a_caller_that_left_are_not_computed(watched, wait_until) -> None:
    async with batching(watched) as batcher:
        bulk = asyncio.create_task(batcher.embed([window(5, 100)] * 60, urgent=False))
        await asyncio.to_thread(wait_until, lambda: len(watched.batches) >= 2)
        bulk.cancel()
        computed = len(watched.batches)
        await batcher.embed([window(9, 100)] * 20, urgent=False)
        assert [5, 5] not in watched.batches[computed + 1 :]


async def test_a_batch_that_fails_fails_alone(watched) -> None:
    async with batching(watched) as batcher:
        with pytest.raises(InternalError):
            await batcher.embed([[101, 999_999, 102]], urgent=False)  # no such word piece
        assert (await batcher.embed([window(9)], urgent=False)).shape == (1, 384)


async def test_a_full_queue_turns_requests_away(watched) -> None:
    with ThreadPoolExecutor(1) as thread:
        batcher = Batcher(thread)
        with pytest.raises(NotServing):
            await batcher.embed([window(9)] * (MAX_WAITING_WINDOWS + 1), urgent=False)


async def line_up(lanes: Lanes, name: int, windows: int, pieces: int = 10, **lane) -> None:
    future = asyncio.get_running_loop().create_future()
    job = Job(np.empty((windows, 384), np.float32), windows, future)
    lanes.add(job, [window(name, pieces)] * windows, **lane)


def drain(lanes: Lanes) -> list[list[int]]:
    """Take every batch, each as the names of its windows."""
    return [[waiting.ids[1] for waiting in batch] for batch in iter(lanes.take, [])]


async def test_queries_go_before_passages() -> None:
    lanes = Lanes()
    await line_up(lanes, 5, 40, urgent=False)
    await line_up(lanes, 9, 3, urgent=True)
    assert drain(lanes)[0] == [9, 9, 9]
    assert len(lanes) == 0


async def test_queries_never_shut_passages_out() -> None:
    lanes = Lanes()
    await line_up(lanes, 9, 400, urgent=True)
    await line_up(lanes, 5, 1, urgent=False)
    assert drain(lanes).index([5]) == 8


async def test_a_small_request_does_not_wait_for_all_of_a_big_one() -> None:
    lanes = Lanes()
    await line_up(lanes, 5, 400, urgent=False)
    lanes.take()
    await line_up(lanes, 6, 1, urgent=False)
    assert any(6 in batch for batch in drain(lanes)[:3])


async def test_small_requests_never_shut_a_big_one_out() -> None:
    lanes = Lanes()
    await line_up(lanes, 5, 400, urgent=False)
    for _ in range(10):
        lanes.take()
    taken = []
    for _ in range(30):  # more arrives than can be taken
        await line_up(lanes, 6, 20, urgent=False)
        taken += [waiting.ids[1] for waiting in lanes.take()]
    assert taken.count(5) >= 20


async def test_a_batch_is_small_and_of_one_length() -> None:
    lanes = Lanes()
    for pieces in (10, 250, 12, 100, 60, 16, 64):
        await line_up(lanes, pieces, 20, pieces, urgent=False)
    for batch in drain(lanes):
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
    assert embedder.metric("ibex_embedding_waiting_windows") == 0
