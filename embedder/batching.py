"""Micro-batches: one thread runs the model on what waits, as soon as it is free."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Protocol

import numpy as np
import structlog

from embedder.lanes import Job, Lanes, Waiting
from embedder.limits import EMBEDDING_DIM, MAX_WAITING_WINDOWS, Vectors
from embedder.metrics import BATCH_SIZE, INFERENCE_SECONDS, WAITING
from embedder.refusals import InternalError, NotServing

log = structlog.get_logger(__name__)


class Encoder(Protocol):
    """What turns windows of word piece ids into unit vectors."""

    def run(self, windows: Sequence[Sequence[int]]) -> Vectors:
        """Encode a batch."""


class Batcher:
    """Gathers the windows of concurrent requests. It never waits for a batch to fill."""

    def __init__(self, thread: Executor) -> None:
        self._thread = thread
        self._lanes = Lanes()
        self._wake = asyncio.Event()

    async def embed(self, windows: list[list[int]], *, urgent: bool) -> Vectors:
        """Return one vector per window. A caller that is cancelled takes its windows along.

        Raises `NotServing` when too much waits already.
        """
        if not windows:
            return np.empty((0, EMBEDDING_DIM), np.float32)
        if len(self._lanes) + len(windows) > MAX_WAITING_WINDOWS:
            raise NotServing("Too many texts are waiting to be embedded; try again later.")
        vectors = np.empty((len(windows), EMBEDDING_DIM), np.float32)
        job = Job(vectors, len(windows), asyncio.get_running_loop().create_future())
        self._lanes.add(job, windows, urgent=urgent)
        self._wake.set()
        return await job.done

    async def run(self, model: Encoder) -> None:
        """Feed the model until cancelled."""
        while True:
            batch = self._lanes.take()
            WAITING.set(len(self._lanes))
            if batch:
                await self._encode(model, batch)
            else:
                self._wake.clear()
                await self._wake.wait()

    async def _encode(self, model: Encoder, batch: list[Waiting]) -> None:
        started = time.perf_counter()
        loop = asyncio.get_running_loop()
        ids = [window.ids for window in batch]
        try:
            vectors = await loop.run_in_executor(self._thread, model.run, ids)
        except Exception:  # the outermost loop: the next batch may work
            log.exception("inference failed", windows=len(batch))
            _fail(batch)
            return
        INFERENCE_SECONDS.observe(time.perf_counter() - started)
        BATCH_SIZE.observe(len(batch))
        _deliver(batch, vectors)


def _deliver(batch: list[Waiting], vectors: Vectors) -> None:
    for window, vector in zip(batch, vectors, strict=True):
        job = window.job
        job.vectors[window.slot] = vector
        job.left -= 1
        if not job.left and not job.done.done():
            job.done.set_result(job.vectors)


def _fail(batch: list[Waiting]) -> None:
    for window in batch:
        if not window.job.done.done():
            window.job.done.set_exception(InternalError())
