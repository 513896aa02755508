"""What may shift a score a little once relevance has decided: age, usefulness, confidence."""

import math
from datetime import datetime

HALF_LIFE_DAYS = {
    "factual": 180.0,
    "procedural": 120.0,
    "preference": 45.0,
    "behavioral": 30.0,
    "episodic": 14.0,
}
PASSAGE_CATEGORY = "episodic"
"""What was said is an episode, as far as its age goes."""

RECENCY_SPREAD, USEFULNESS_SPREAD, CONFIDENCE_SPREAD = 0.10, 0.10, 0.05
RELEVANCE_SCALE = 2.0
SECONDS_PER_DAY = 86_400


def recency(category: str, at: datetime, now: datetime) -> float:
    """Return 1.1 for what is new, 1 after a half-life, towards 0.9 for what is old."""
    age_days = max((now - at).total_seconds(), 0.0) / SECONDS_PER_DAY
    freshness = 0.5 ** (age_days / HALF_LIFE_DAYS.get(category, HALF_LIFE_DAYS["factual"]))
    return spread(freshness, RECENCY_SPREAD)


def usefulness(value: float) -> float:
    """Return 0.9 to 1.1 for a usefulness of 0 to 1."""
    return spread(value, USEFULNESS_SPREAD)


def confidence(value: float) -> float:
    """Return 0.95 to 1.05 for a confidence of 0 to 1."""
    return spread(value, CONFIDENCE_SPREAD)


def spread(share: float, width: float) -> float:
    """Map 0 to 1 onto 1 - width to 1 + width."""
    return 1 + width * (2 * min(max(share, 0.0), 1.0) - 1)


def positive(relevance: float, best: float) -> float:
    """Return a relevance, which may be negative, as a positive number: 1 for the best candidate.

    Exponential, so that the order stays and a multiplier of 10 % is worth the same 0.2 standard
    deviations at every height; a shift would let age reorder the top and not the bottom.
    """
    return math.exp((relevance - best) / RELEVANCE_SCALE)
