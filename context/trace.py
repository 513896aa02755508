"""How a context was made, for the turn's record: ids and numbers, never text."""

from typing import Any

import orjson

from context.packing import Packed
from memories.retrieval import Candidate, Retrieval

DIGITS = 4
MAX_LEFT_OUT = 30
"""Candidates that were not taken are listed only while they are near."""


def trace(retrieval: Retrieval, packed: Packed, timings: dict[str, float]) -> bytes:
    """Return JSON: level, how many were scored, timings, and each candidate with its fate.

    A fate is `taken`, or why not: `question`, `duplicate`, `same_turn`, `max_items`,
    `budget` or `floor`.
    """
    taken = [_entry(candidate, "taken") for candidate in packed.taken]
    left_out = [
        _entry(candidate, packed.left_out[candidate.id])
        for candidate in retrieval.candidates
        if candidate.id in packed.left_out
    ]
    below = [_entry(candidate, "floor") for candidate in retrieval.missed]
    return orjson.dumps(
        {
            "level": retrieval.level,
            "pool": retrieval.pool,
            "candidates": [*taken, *left_out[:MAX_LEFT_OUT], *below],
            "timings": retrieval.timings | timings,
        }
    )


def empty_trace(level: str, reason: str, timings: dict[str, float]) -> bytes:
    """Return JSON that says why nothing was retrieved."""
    return orjson.dumps({"level": level, "reason": reason, "timings": timings})


def _entry(candidate: Candidate, fate: str) -> dict[str, Any]:
    parts = {name: getattr(candidate.scores, name) for name in candidate.scores.__slots__}
    scores = {n: None if part is None else round(part, DIGITS) for n, part in parts.items()}
    return {"id": str(candidate.id), "kind": candidate.kind, "fate": fate, "scores": scores}
