"""Micro-batches: a thread runs the model on what waits, as soon as it is free.

Queries and passages have a thread each. With one thread for both, a query that met a passage of
256 pieces waited 30 ms for it, more than a context assembly has; the passages' thread steps
back for everything else on the machine instead.
"""

import asyncio
import os
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Protocol

import numpy as np
import structlog

from embedder.lane import Job, Lane, Waiting
from embedder.limits import EMBEDDING_DIM, MAX_WAITING_WINDOWS, Kind, Vectors
from embedder.metrics import BATCH_SIZE, INFERENCE_SECONDS, WAITING
from embedder.refusals import InternalError, NotServing

PASSAGES_NICENESS = 10

log = structlog.get_logger(__name__)


class Encoder(Protocol):
    """What turns windows of word piece ids into unit vectors."""

    def run(self, windows: Sequence[Sequence[int]]) -> Vectors:
        """Encode a batch."""


class Batcher:
    """Gathers one kind of windows from concurrent requests. It never waits for a batch to fill."""

    def __init__(self, kind: Kind) -> None:
        step_back = _step_back if kind == "passage" else None
        self._thread = ThreadPoolExecutor(1, f"{kind}-inference", initializer=step_back)
        self._kind = kind
        self._lane = Lane()
        self._wake = asyncio.Event()

    async def embed(self, windows: list[list[int]]) -> Vectors:
        """Return one vector per window. A caller that is cancelled takes its windows along.

        Raises `NotServing` when too much waits already.
        """
        if not windows:
            return np.empty((0, EMBEDDING_DIM), np.float32)
        if self._lane.size + len(windows) > MAX_WAITING_WINDOWS:
            raise NotServing("Too many texts are waiting to be embedded; try again later.")
        vectors = np.empty((len(windows), EMBEDDING_DIM), np.float32)
        job = Job(vectors, len(windows), asyncio.get_running_loop().create_future())
        self._lane.add(job, windows)
        self._wake.set()
        return await job.done

    async def run(self, model: Encoder) -> None:
        """Feed the model until cancelled."""
        while True:
            batch = self._lane.take()
            WAITING.labels(self._kind).set(self._lane.size)
            if batch:
                await self._encode(model, batch)
            else:
                self._wake.clear()
                await self._wake.wait()

    def close(self) -> None:
        """Let go of the thread; it ends with the batch it is at."""
        self._thread.shutdown(wait=False)

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
        INFERENCE_SECONDS.labels(self._kind).observe(time.perf_counter() - started)
        BATCH_SIZE.labels(self._kind).observe(len(batch))
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


def _step_back() -> None:
    if sys.platform == "linux":  # elsewhere a thread has no priority of its own
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), PASSAGES_NICENESS)
