"""Sustained learning: how long turns wait to be found, and how often a vector is known already.

Chat at a constant rate, in which a stated share of what is said was said before: people repeat
themselves, and agents far more. A turn has waited until its first passage is stored; the cache is
the embedder's, over everything that learning and recall asked it for meanwhile.
"""

import asyncio
import json
import random
import time
import urllib.request
from typing import Any

from benchmarks.load import Target, constant_rate
from benchmarks.proxy import PATH
from benchmarks.stage import Stage, caller, make_agent, stage
from benchmarks.stats import summary

PER_SECOND = 20
REPEATED = 0.9
SERVICES = 200
PATIENCE_S = 60


def measure(*, seconds: float) -> dict[str, Any]:
    """State each fact once, then talk for three times as long as others measure."""
    with stage() as ready:
        agent, token = make_agent()
        ready.start_all()
        target = Target(8080 + ready.offset, PATH, caller(agent, token), said)
        once = Target(target.port, PATH, target.headers, lambda n: said_of(n, n))
        asyncio.run(constant_rate(once, per_second=PER_SECOND, seconds=SERVICES / PER_SECOND))
        known = len(_waits(agent))
        before = _cache(ready)
        result = asyncio.run(constant_rate(target, per_second=PER_SECOND, seconds=3 * seconds))
        waits = _waits(agent)[known:]
        hits, misses = (now - was for now, was in zip(_cache(ready), before, strict=True))
        return {
            "turns_a_second": PER_SECOND,
            "share_repeated": REPEATED,
            "answers": summary(result.latencies_ms),
            "statuses": dict(result.statuses),
            "until_found": summary(waits),
            "texts_embedded": hits + misses,
            "cache_hit_rate": round(hits / max(hits + misses, 1), 4),
        }


def said(n: int) -> bytes:
    """State a fact, mostly one of a few hundred; each request is another one for the proxy."""
    chance = random.Random(n)  # noqa: S311 - the same each time
    service = chance.randrange(SERVICES) if chance.random() < REPEATED else SERVICES + n
    return said_of(service, SERVICES + n)


def said_of(service: int, n: int) -> bytes:
    """State the fact of one service, in a request of its own."""
    text = f"Our service {service} uses the host db{service}.example.com."
    messages = [{"role": "user", "content": text}]
    return json.dumps({"model": "gpt-4o-mini", "messages": messages, "seed": n}).encode()


def _cache(ready: Stage) -> tuple[int, int]:
    """Read the embedder's counters of hits and misses."""
    url = f"http://127.0.0.1:{8004 + ready.offset}/metrics"
    with urllib.request.urlopen(url, timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    names = ("ibex_embedding_cache_hits_total", "ibex_embedding_cache_misses_total")
    return int(float(values[names[0]])), int(float(values[names[1]]))


def _waits(agent: Any) -> list[float]:
    """Wait until every turn has a passage; return how many milliseconds each had waited for it."""
    from django.db.models import Min  # noqa: PLC0415 - after Django is set up

    from ibex.tenancy import tenant  # noqa: PLC0415
    from memories.models import Passage  # noqa: PLC0415
    from sessions.models import Turn  # noqa: PLC0415

    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        with tenant(agent.org_id):
            turns = Turn.objects.filter(agent=agent).count()
            found = (
                Passage.objects.filter(agent=agent)
                .values("turn")
                .annotate(at=Min("created_at"), said=Min("turn__created_at"))
                .order_by("said")
            )
            waits = [(one["at"] - one["said"]).total_seconds() * 1000 for one in found]
        if len(waits) == turns:
            return waits
        time.sleep(1)
    raise TimeoutError(f"{turns - len(waits)} of {turns} turns were not learned from.")
