"""How a context was made, for the turn's record: ids and numbers, never text."""

from dataclasses import asdict
from typing import Any

import orjson

from context.packing import Packed
from memories.retrieval import Candidate, Retrieval

DIGITS = 4
MAX_ENTRIES = 60


def trace(retrieval: Retrieval, packed: Packed, elapsed_ms: float) -> bytes:
    """Return JSON: level, what was scored, each candidate's score parts and its fate, timings."""
    taken = {candidate.id for candidate in packed.taken}
    fates = {**packed.left_out, **dict.fromkeys(taken, "taken")}
    entries = [_entry(c, fates.get(c.id, "limit")) for c in retrieval.candidates]
    entries += [_entry(c, "floor") for c in retrieval.missed]
    timings = {**retrieval.timings, "total_ms": round(elapsed_ms, 3)}
    return orjson.dumps(
        {
            "level": retrieval.level,
            "pool": retrieval.pool,
            "candidates": entries[:MAX_ENTRIES],
            "timings": timings,
        }
    )


def failure_trace(level: str, reason: str, elapsed_ms: float) -> bytes:
    """Return JSON that says why nothing was retrieved."""
    timings = {"total_ms": round(elapsed_ms, 3)}
    return orjson.dumps({"level": level, "reason": reason, "timings": timings})


def _entry(candidate: Candidate, fate: str) -> dict[str, Any]:
    scores = {
        name: None if value is None else round(value, DIGITS)
        for name, value in asdict(candidate.scores).items()
    }
    return {"id": str(candidate.id), "kind": candidate.kind, "fate": fate, "scores": scores}
