"""Context assembly over gRPC: 50 users asking once a second, the highest steady rate, 50 in flight.

The agent has 5,000 memories; the share of each level is reported beside the latencies.
"""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio

from benchmarks.stage import make_agent, stage
from benchmarks.stats import summary
from context.proto import context_pb2, context_pb2_grpc

MEMORIES = 5_000
BATCH = 250
USERS = 50
RATES = (25, 50, 60, 75, 100, 150, 200, 300)
STEADY_P95_MS = 50
STEADY_SHARE = 0.99
THINGS = "database printer garden budget harbour recipe invoice window schedule engine".split()
PLACES = "Oslo Lisbon Quito Hanoi Dakar Perth Turin Cork Lima Nairobi".split()


@dataclass
class Answers:
    """Latencies in milliseconds, and how many answers of each level."""

    latencies_ms: list[float] = field(default_factory=list)
    levels: Counter[str] = field(default_factory=Counter)

    def report(self) -> dict[str, Any]:
        """Return percentiles and the share of each level."""
        total = sum(self.levels.values()) or 1
        shares = {level: round(n / total, 4) for level, n in sorted(self.levels.items())}
        return {**summary(self.latencies_ms), "levels": shares}


def measure(*, seconds: float) -> dict[str, Any]:
    """Fill an agent's memory, then ask."""
    with stage() as ready:
        agent, _token = make_agent()
        ready.start("embedder")
        _fill(agent, ready.env["IBEX_EMBEDDER_URL"], ready.env["IBEX_SERVICE_TOKEN"])
        ready.stores.analyze()
        ready.start("context")
        address = ready.env["IBEX_CONTEXT_ADDR"]
        return asyncio.run(_measure(address, ready.env["IBEX_SERVICE_TOKEN"], agent, seconds))


def _fill(agent: Any, url: str, token: str) -> None:
    """Write memories as rows, with real vectors and the real text index."""
    from embedder.client import EmbedderClient  # noqa: PLC0415 - after Django is set up
    from ibex.tenancy import tenant  # noqa: PLC0415
    from memories.indexing.postings import index_item  # noqa: PLC0415
    from memories.indexing.terms import count_terms  # noqa: PLC0415
    from memories.models import Memory  # noqa: PLC0415

    client = EmbedderClient(url, token, 60)
    for start in range(0, MEMORIES, BATCH):
        texts = [fact(n) for n in range(start, start + BATCH)]
        vectors = client.embed_sync(agent.org_id, texts, "passage")
        with tenant(agent.org_id):
            for n, (text, vector) in enumerate(zip(texts, vectors, strict=True), start=start):
                terms = count_terms(text)
                memory = Memory.objects.create(
                    org_id=agent.org_id,
                    agent=agent,
                    content=text,
                    content_hash=f"{n:064x}",
                    terms=terms,
                    length=sum(terms.values()),
                    embedding=vector.tolist(),
                    embedding_model="all-MiniLM-L6-v2",
                    embedding_dim=384,
                )
                keys = {"org_id": agent.org_id, "agent_id": agent.pk, "item_id": memory.pk}
                index_item(**keys, kind=0, subject=None, terms=terms)


def fact(n: int) -> str:
    """Write fact number n."""
    thing, place = THINGS[n % len(THINGS)], PLACES[n // len(THINGS) % len(PLACES)]
    return f"The {thing} number {n} of the office in {place} is looked after by team {n % 37}."


class Asker:
    """A gRPC client that asks as the proxy does, without its deadline: all latencies count."""

    def __init__(self, address: str, token: str, agent: Any) -> None:
        self._stub = context_pb2_grpc.ContextAssemblyStub(grpc.aio.insecure_channel(address))
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._agent = agent
        self._random = random.Random(7)  # noqa: S311 - the same questions each time

    async def ask(self, answers: Answers, due: float) -> None:
        """Ask about a random thing; latency counts from when the question was due."""
        thing, place = self._random.choice(THINGS), self._random.choice(PLACES)
        number = self._random.randrange(MEMORIES)
        answer = await self._stub.Assemble(
            context_pb2.AssembleRequest(
                org_id=str(self._agent.org_id),
                agent_id=str(self._agent.pk),
                memory_scope="agent",
                query=f"Who looks after the {thing} {number} of the {place} office?",
                budget_tokens=2000,
                max_items=20,
            ),
            metadata=self._metadata,
        )
        answers.latencies_ms.append((time.perf_counter() - due) * 1000)
        answers.levels[answer.level] += 1


async def _measure(address: str, token: str, agent: Any, seconds: float) -> dict[str, Any]:
    asker = Asker(address, token, agent)
    await _at_rate(asker, 20, 3)
    results: dict[str, Any] = {
        "50_users_once_a_second": (await _at_rate(asker, USERS, seconds)).report(),
        "rates": {},
        "highest_steady_rate": 0,
    }
    for rate in RATES:
        report = (await _at_rate(asker, rate, seconds)).report()
        results["rates"][str(rate)] = report
        if report["p95_ms"] >= STEADY_P95_MS or report["levels"].get("L0", 0) < STEADY_SHARE:
            break
        results["highest_steady_rate"] = rate
    results["50_always_in_flight"] = (await _in_flight(asker, USERS, seconds)).report()
    return results


async def _at_rate(asker: Asker, per_second: float, seconds: float) -> Answers:
    answers, start = Answers(), time.perf_counter()
    tasks = []
    for n in range(int(per_second * seconds)):
        due = start + n / per_second
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(asker.ask(answers, due)))
    await asyncio.gather(*tasks)
    return answers


async def _in_flight(asker: Asker, users: int, seconds: float) -> Answers:
    answers, start = Answers(), time.perf_counter()

    async def user() -> None:
        while time.perf_counter() - start < seconds:
            await asker.ask(answers, time.perf_counter())

    await asyncio.gather(*(user() for _ in range(users)))
    return answers
