"""How a context was made, for the turn's record: ids and numbers, never text."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import numpy as np
import orjson

from context.packing import Packed
from memories.retrieval import Candidate, Retrieval, Scores

DIGITS = 4
MAX_LEFT_OUT = 30
"""Candidates that were not taken are listed only while they are near."""
PARTS = Scores.__slots__
of_scores = attrgetter(*PARTS)


def trace(retrieval: Retrieval, packed: Packed, timings: dict[str, float]) -> bytes:
    """Return JSON: level, how many were scored, timings, and each candidate with its fate.

    A fate is `taken`, or why not: `question`, `duplicate`, `same_turn`, `max_items`,
    `budget` or `floor`.
    """
    left_out = [one for one in retrieval.candidates if one.id in packed.left_out][:MAX_LEFT_OUT]
    fates = [(one, "taken") for one in packed.taken]
    fates += [(one, packed.left_out[one.id]) for one in left_out]
    fates += [(one, "floor") for one in retrieval.missed]
    return orjson.dumps(
        {
            "level": retrieval.level,
            "pool": retrieval.pool,
            "candidates": _entries(fates),
            "timings": retrieval.timings | timings,
        }
    )


def empty_trace(level: str, reason: str, timings: dict[str, float]) -> bytes:
    """Return JSON that says why nothing was retrieved."""
    return orjson.dumps({"level": level, "reason": reason, "timings": timings})


def _entries(fates: Sequence[tuple[Candidate, str]]) -> list[dict[str, Any]]:
    """Describe candidates; a part that is missing is NaN here, and null in the JSON."""
    parts = np.array([of_scores(one.scores) for one, _fate in fates], dtype=np.float64)
    rounded = parts.round(DIGITS).tolist()
    return [
        {
            "id": str(one.id),
            "kind": one.kind,
            "fate": fate,
            "scores": dict(zip(PARTS, scores, strict=True)),
        }
        for (one, fate), scores in zip(fates, rounded, strict=True)
    ]
