"""The embedder's work: cut, look up, compute what is missing, remember it."""

import asyncio
from dataclasses import dataclass
from itertools import accumulate, pairwise
from uuid import UUID

import numpy as np
import structlog

from embedder.batching import Batcher
from embedder.cache import VectorCache, cache_key
from embedder.config import Config
from embedder.limits import EMBEDDING_DIM, KINDS, Kind, Vectors
from embedder.metrics import CACHE_HITS, CACHE_MISSES, TEXTS
from embedder.model import load_model
from embedder.pieces import Cutter, Pieces, join_windows
from embedder.refusals import NotServing

CUT_AT_ONCE_CHARACTERS = 2_000
"""Up to this much text (0.5 ms of tokenizing) the hop to a thread would cost more than it saves."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Embedded:
    """One vector per text, and how many word pieces the model was given to read."""

    vectors: Vectors
    pieces: int


class Embedder:
    """The service of one process. It answers once the model has loaded in the background."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._batchers: dict[Kind, Batcher] = {kind: Batcher(kind) for kind in KINDS}
        self._cutter = Cutter()
        self._cache = VectorCache(
            config.redis_url, ttl_s=config.cache_ttl_s, timeout_ms=config.cache_timeout_ms
        )
        self._ready = False
        self._work: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to load the model; return at once."""
        self._work = asyncio.create_task(self._load_and_run())

    async def stop(self) -> None:
        """Stop the model and let go of Redis; requests have been answered by now."""
        if self._work:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)
        for batcher in self._batchers.values():
            batcher.close()
        await self._cache.close()

    async def check_model(self) -> None:
        """Raise unless the model has answered its warm-up and is being fed."""
        if self._work and self._work.done():
            self._work.result()  # raises what ended it
        if not self._ready:
            raise NotServing("The model is still loading.")

    async def check_cache(self) -> None:
        """Raise unless Redis answers."""
        await self._cache.ping()

    async def embed(self, org_id: UUID, texts: list[str], kind: Kind) -> Embedded:
        """Embed texts of one org; raises `Invalid`, or `NotServing` before the model is ready."""
        await self.check_model()
        unique = list(dict.fromkeys(texts))
        cut = dict(zip(unique, await self._cut(unique, kind), strict=True))
        keys = {text: cache_key(org_id, kind, text) for text in unique}
        values = await self._cache.get(list(keys.values()))
        found = {text: value for text, value in zip(unique, values, strict=True) if value}
        missing = {text: cut[text] for text in unique if text not in found}
        _count(kind, texts=len(texts), hits=len(found), misses=len(missing))
        computed = await self._compute(missing, kind)
        self._cache.put_later({keys[text]: value for text, value in computed.items()})
        known = found | computed
        joined = b"".join(known[text] for text in texts)
        vectors = np.frombuffer(joined, "<f4").reshape(-1, EMBEDDING_DIM)
        return Embedded(vectors, sum(cut[text].count for text in texts))

    async def _load_and_run(self) -> None:
        config = self._config
        try:
            model = await asyncio.to_thread(load_model, config.model_dir, config.threads)
        except Exception as error:
            log.exception("model did not load", error=type(error).__name__)
            raise
        self._ready = True
        await asyncio.gather(*(batcher.run(model) for batcher in self._batchers.values()))

    async def _cut(self, texts: list[str], kind: Kind) -> list[Pieces]:
        if sum(map(len, texts)) <= CUT_AT_ONCE_CHARACTERS:
            return self._cutter.cut(texts, kind)
        return await asyncio.to_thread(self._cutter.cut, texts, kind)

    async def _compute(self, missing: dict[str, Pieces], kind: Kind) -> dict[str, bytes]:
        windows = [window for pieces in missing.values() for window in pieces.windows]
        vectors = await self._batchers[kind].embed(windows)
        bounds = pairwise(accumulate((len(p.windows) for p in missing.values()), initial=0))
        return {
            text: join_windows(pieces, vectors[start:end]).astype("<f4").tobytes()
            for (text, pieces), (start, end) in zip(missing.items(), bounds, strict=True)
        }


def _count(kind: Kind, *, texts: int, hits: int, misses: int) -> None:
    TEXTS.labels(kind).inc(texts)
    CACHE_HITS.inc(hits)
    CACHE_MISSES.inc(misses)
