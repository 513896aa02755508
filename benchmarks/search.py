"""Search by meaning: 100,000 memories of one agent in a table that others share.

The vectors are the embedder's own, of as many different sentences. Recall is against the exact
nearest ten, computed from the same half-precision vectors. The statements are those of every
search, as `ibex_app` under row-level security, without the embedding of the question.
"""

import os
import time
from typing import Any

import numpy as np

from benchmarks.context import PLACES, THINGS
from benchmarks.stage import Stage, make_agent, stage
from benchmarks.stats import summary

ROWS = 100_000
OTHERS = 50_000
BATCH = 500
QUESTIONS = 200
NEAREST = 10
WARM_UP = 20
EXAMPLE = "An example."
KINDS = "leads repairs audits paints insures inspects catalogues rents guards restores".split()
COLUMNS = "blue amber silver quiet northern wooden narrow heavy secret public".split()


def measure(*, seconds: float) -> dict[str, Any]:  # noqa: ARG001 - counts, not time, bound it
    """Fill two organizations, ask 200 questions in one, compare with the exact answer."""
    rows = int(os.environ.get("IBEX_BENCHMARK_ROWS") or ROWS)
    with stage() as ready:
        agent, _token = make_agent()
        other, _token = make_agent()
        ready.start("embedder")
        began = time.perf_counter()
        vectors = _embed(ready, agent, rows + rows // 2)
        embedded = time.perf_counter() - began
        _store(ready, {agent: vectors[:rows], other: vectors[rows:]})
        filled = time.perf_counter() - began - embedded
        latencies, recalls = _ask(ready, agent, vectors[:rows])
        return {
            "memories_of_the_agent": rows,
            "memories_in_the_table": len(vectors),
            "seconds_to_embed": round(embedded, 1),
            "seconds_to_store_and_index": round(filled, 1),
            "search": summary(latencies),
            f"recall_at_{NEAREST}": round(float(np.mean(recalls)), 4),
            f"worst_recall_at_{NEAREST}": round(float(np.min(recalls)), 2),
        }


def sentence(n: int) -> str:
    """Write sentence number n; each is another one."""
    thing, place = THINGS[n % 10], PLACES[n // 10 % 10]
    kind, column = KINDS[n // 100 % 10], COLUMNS[n // 1000 % 10]
    return f"Team {n // 10_000} {kind} the {column} {thing} of the office in {place}, number {n}."


def _embed(ready: Stage, agent: Any, count: int) -> np.ndarray:
    from embedder.client import EmbedderClient  # noqa: PLC0415 - after Django is set up

    client = EmbedderClient(ready.env["IBEX_EMBEDDER_URL"], ready.env["IBEX_SERVICE_TOKEN"], 120)
    found = [
        client.embed_sync(
            agent.org_id, [sentence(n) for n in range(start, min(start + BATCH, count))], "passage"
        )
        for start in range(0, count, BATCH)
    ]
    return np.concatenate([np.asarray(one) for one in found]).astype(np.float16)


def _store(ready: Stage, memories: dict[Any, np.ndarray]) -> None:
    """Copy one written memory with other vectors; the index is built once, as after a restore."""
    import psycopg  # noqa: PLC0415

    from benchmarks.lists import ID, copies  # noqa: PLC0415
    from memories.services import write_memory  # noqa: PLC0415 - after Django is set up
    from orgs.audit import Actor  # noqa: PLC0415

    with psycopg.connect(ready.stores.owner_url, autocommit=True) as owner:
        owner.execute("SET maintenance_work_mem = '1GB'")
        index = owner.execute(
            "SELECT indexdef FROM pg_indexes WHERE indexname = 'memories_by_meaning'"
        ).fetchone()
        owner.execute("DROP INDEX memories_by_meaning")
        owner.execute("CREATE UNLOGGED TABLE given (n int PRIMARY KEY, vector halfvec(384))")
        first = 0
        for agent, vectors in memories.items():
            write_memory(agent=agent, content=EXAMPLE, actor=Actor.system("benchmark"))
            with owner.cursor().copy("COPY given FROM STDIN") as copy:
                for n, vector in enumerate(vectors, start=first + 1):
                    copy.write_row((n, str(vector.astype(float).tolist())))
            values = {
                "id": ID,
                "content": "'Sentence ' || n",
                "content_hash": "md5(n::text)",
                "embedding": "given.vector",
                "embedding_model": "'all-MiniLM-L6-v2'",
                "embedding_dim": "384",
                "embed_after": "NULL",
            }
            owner.execute(copies("memories_memory", values, source="given"))
            owner.execute("TRUNCATE given")
            first += len(vectors)
        owner.execute(str(index and index[0]))
        owner.execute("VACUUM ANALYZE")


def _ask(ready: Stage, agent: Any, vectors: np.ndarray) -> tuple[list[float], list[float]]:
    """Return each search's milliseconds, and the share of the exact nearest that it found."""
    import psycopg  # noqa: PLC0415
    from django.utils import timezone  # noqa: PLC0415 - after Django is set up

    from embedder.client import EmbedderClient  # noqa: PLC0415
    from memories.retrieval import CONNECTION_OPTIONS, Query, retrieve_sync  # noqa: PLC0415

    client = EmbedderClient(ready.env["IBEX_EMBEDDER_URL"], ready.env["IBEX_SERVICE_TOKEN"], 60)
    exact = vectors.astype(np.float32)
    latencies, recalls = [], []
    options = {"options": CONNECTION_OPTIONS, "autocommit": True}
    with psycopg.connect(ready.stores.database_url, **options) as connection:  # type: ignore[arg-type]
        for number in range(-WARM_UP, QUESTIONS):
            text = question(number)
            (vector,) = client.embed_sync(agent.org_id, [text], "query")
            query = Query(
                org_id=agent.org_id,
                agent_id=agent.pk,
                text="",
                now=timezone.now(),
                vector=vector,
                kinds=frozenset({"memory"}),
                limit=100,
            )
            began = time.perf_counter()
            with connection.transaction(), connection.cursor() as cursor:
                cursor.execute("SELECT set_config('ibex.org_id', %s, true)", [str(agent.org_id)])
                found = retrieve_sync(cursor, query)
            took = (time.perf_counter() - began) * 1000
            if number < 0:
                continue
            latencies.append(took)
            ranked = sorted(
                (one for one in (*found.candidates, *found.missed)),
                key=lambda one: -(one.scores.cosine or 0),
            )
            nearest = np.argsort(-(exact @ np.asarray(vector, np.float32)))[:NEAREST]
            wanted = {int(n) + 1 for n in nearest}
            got = {
                int(one.content.split()[-1]) for one in ranked[:NEAREST] if one.content[0] == "S"
            }
            recalls.append(len(wanted & got) / NEAREST)
    return latencies, recalls


def question(number: int) -> str:
    """Ask about something that many sentences are about, in other words."""
    n = (number * 7919) % 100_000
    thing, place = THINGS[n % 10], PLACES[n // 10 % 10]
    kind, column = KINDS[n // 100 % 10], COLUMNS[n // 1000 % 10]
    return f"Who {kind} the {thing} that stands in {place}, in {column}?"
