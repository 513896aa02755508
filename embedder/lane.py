"""Who is next: the windows that wait for one thread of the model.

Requests share it by pieces (start-time fair queueing: Goyal, Vin and Cheng, 1996), so a request
of 500 texts does not hold up the next one. A batch holds windows of about the same length, and
is small: past 256 pieces a larger one is no faster and only makes others wait.
"""

import asyncio
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from operator import itemgetter
from typing import NamedTuple

from embedder.limits import Vectors

MAX_BATCH_TEXTS = 16
MAX_BATCH_PIECES = 256
BUCKET_PIECES = 16


@dataclass(eq=False, slots=True)
class Job:
    """The windows of one request: `vectors` fills up until none is `left`, then `done` is set."""

    vectors: Vectors
    left: int
    done: asyncio.Future[Vectors]


class Waiting(NamedTuple):
    """One window in a lane, ordered by `rank`: the pieces that go before it, roughly."""

    rank: int
    order: int
    ids: list[int]
    slot: int
    job: Job


class Lane:
    """Waiting windows, in heaps by length."""

    def __init__(self) -> None:
        self._buckets: dict[int, list[Waiting]] = {}
        self._order = count()
        self._rank = 0
        self.size = 0

    def add(self, job: Job, windows: list[list[int]]) -> None:
        """Line up a job's windows, each as far back as the job's earlier ones push it."""
        rank = self._rank
        for slot, ids in enumerate(windows):
            bucket = self._buckets.setdefault((len(ids) - 1) // BUCKET_PIECES, [])
            heappush(bucket, Waiting(rank, next(self._order), ids, slot, job))
            rank += len(ids)
        self.size += len(windows)

    def take(self) -> list[Waiting]:
        """Take the first window and those of its length behind it; empty when none wait."""
        while self.size:
            bucket = min(filter(None, self._buckets.values()), key=itemgetter(0))
            if batch := self._take_from(bucket):
                self._rank = max(self._rank, batch[-1].rank)
                return batch
        return []

    def _take_from(self, bucket: list[Waiting]) -> list[Waiting]:
        batch: list[Waiting] = []
        longest = 0
        while bucket and len(batch) < MAX_BATCH_TEXTS:
            longest = max(longest, len(bucket[0].ids))
            if batch and longest * (len(batch) + 1) > MAX_BATCH_PIECES:
                break
            window = heappop(bucket)
            self.size -= 1
            if not window.job.done.done():  # its caller has not left
                batch.append(window)
        return batch
