"""Writing: a memory through the whole pipeline with its embedding, and a turn's commit."""

import asyncio
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.stage import make_agent, stage
from benchmarks.stats import summary

WRITES = 150
WRITERS = 8
COMMITS = 500
LONG_WORDS = 240


def measure(*, seconds: float) -> dict[str, Any]:  # noqa: ARG001 - counts, not time, bound it
    """Measure one writer with short texts, eight with long ones, and the recorder's commits."""
    with stage() as ready:
        agent, _token = make_agent()
        ready.start("embedder")
        short = [_write(agent, f"Fact {n}: team {n} looks after room {n}.") for n in range(WRITES)]
        long = [f"Fact {n}: {_long(n)}" for n in range(WRITES)]
        with ThreadPoolExecutor(WRITERS) as writers:
            many = list(writers.map(lambda text: _write(agent, text), long))
        commits = asyncio.run(_commits(agent, ready.stores.database_url))
        return {
            "memory_write_one_writer_short": summary(short),
            "memory_write_8_writers_256_pieces": summary(many),
            "commit_of_one_turn": summary(commits),
        }


def _long(n: int) -> str:
    return " ".join(f"word{(n + i) % 97}" if i % 3 else "and then" for i in range(LONG_WORDS // 2))


def _write(agent: Any, text: str) -> float:
    from memories.services import write_memory  # noqa: PLC0415 - after Django is set up
    from orgs.audit import Actor  # noqa: PLC0415

    began = time.perf_counter()
    write_memory(agent=agent, content=text, actor=Actor.system("benchmark"))
    return (time.perf_counter() - began) * 1000


async def _commits(agent: Any, database_url: str) -> list[float]:
    """Record turns one at a time, as a quiet proxy does."""
    from pathlib import Path  # noqa: PLC0415
    from tempfile import TemporaryDirectory  # noqa: PLC0415

    from proxy.recorder import Recorder  # noqa: PLC0415
    from proxy.spool import Spool  # noqa: PLC0415
    from proxy.store import make_pool  # noqa: PLC0415

    pool = make_pool(database_url)
    await pool.open(wait=True)
    with TemporaryDirectory() as folder:
        recorder = Recorder(pool, Spool(Path(folder)), idle_after_s=1800)
        await recorder.start()
        samples = []
        for _ in range(COMMITS):
            record = _record(agent)
            began = time.perf_counter()
            await recorder.record(record)
            samples.append((time.perf_counter() - began) * 1000)
        await recorder.stop()
    await pool.close()
    return samples


def _record(agent: Any) -> Any:
    from proxy.turns import CallRecord  # noqa: PLC0415

    record = CallRecord(
        org_id=agent.org_id,
        agent_id=agent.pk,
        session_id=uuid.uuid4(),
        external_id=str(uuid.uuid4()),
        subject=None,
        request_id="benchmark",
        model="gpt-4o-mini",
        provider="openai",
        is_streaming=False,
    )
    record.set_request({"model": "gpt-4o-mini"}, [{"role": "user", "content": "x" * 2000}])
    record.set_completion(b"{}" * 500)
    return record
