"""The embedding service: milliseconds a text by length, texts a second, misses and hits."""

import asyncio
import time
from typing import Any

from benchmarks.stage import stage
from benchmarks.stats import summary

WORDS = "river stone window letter morning garden copper signal harbour violet".split()
LENGTHS = {"12_pieces": 10, "64_pieces": 62, "256_pieces": 250}
ROUNDS = 200
BULK = 64


def measure(*, seconds: float) -> dict[str, Any]:
    """Measure over HTTP, as the other processes call it."""
    with stage() as ready:
        ready.start("embedder")
        url, token = ready.env["IBEX_EMBEDDER_URL"], ready.env["IBEX_SERVICE_TOKEN"]
        return asyncio.run(_measure(url, token, seconds))


async def _measure(url: str, token: str, seconds: float) -> dict[str, Any]:
    from embedder.client import EmbedderClient  # noqa: PLC0415 - reads no settings, but is heavy
    from ibex.ids import uuid7  # noqa: PLC0415

    client = EmbedderClient(url, token, 30)
    org = uuid7()
    results: dict[str, Any] = {}
    for name, words in LENGTHS.items():
        rounds = ROUNDS if words < 100 else ROUNDS // 4  # noqa: PLR2004 - long ones take longer
        misses = [await _one(client, org, f"{n} {_text(words)}") for n in range(rounds)]
        results[f"miss_{name}"] = summary(misses)
    results["hit_12_pieces"] = summary(
        [await _one(client, org, f"1 {_text(10)}") for _ in range(ROUNDS)]
    )
    results["short_texts_per_second"] = await _throughput(client, org, seconds)
    await client.close()
    return results


def _text(words: int) -> str:
    return " ".join(WORDS[n % len(WORDS)] for n in range(words))


async def _one(client: Any, org: Any, text: str) -> float:
    began = time.perf_counter()
    await client.embed(org, [text], "passage")
    return (time.perf_counter() - began) * 1000


async def _throughput(client: Any, org: Any, seconds: float) -> float:
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        texts = [f"bulk {done + n} {_text(10)}" for n in range(BULK)]
        await client.embed(org, texts, "passage")
        done += BULK
    return round(done / (time.perf_counter() - began), 1)
