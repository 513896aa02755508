"""What may shift a score a little once relevance has decided: age, usefulness, confidence."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from memories.retrieval.relevance import Numbers

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
NEUTRAL = 0.5


def recency(categories: Sequence[str], dates: Sequence[datetime], now: datetime) -> Numbers:
    """Return 1.1 for what is new, 1 after a half-life, towards 0.9 for what is old."""
    days = np.array([(now - date).total_seconds() for date in dates]) / SECONDS_PER_DAY
    half_lives = np.array([HALF_LIFE_DAYS[category] for category in categories])
    return spread(0.5 ** (np.maximum(days, 0) / half_lives), RECENCY_SPREAD)


def usefulness(values: Numbers) -> Numbers:
    """Return 0.9 to 1.1 for a usefulness of 0 to 1."""
    return spread(values, USEFULNESS_SPREAD)


def confidence(values: Numbers) -> Numbers:
    """Return 0.95 to 1.05 for a confidence of 0 to 1."""
    return spread(values, CONFIDENCE_SPREAD)


def spread(shares: Numbers, width: float) -> Numbers:
    """Map 0 to 1 onto 1 - width to 1 + width."""
    return 1 + width * (2 * np.clip(shares, 0, 1) - 1)


def positive(relevance: Numbers) -> Numbers:
    """Return relevance, which may be negative, as positive numbers: 1 for the best candidate.

    Exponential, so that the order stays and a multiplier of 10 % is worth the same 0.2 standard
    deviations at every height; a shift would let age reorder the top and not the bottom.
    """
    best = relevance.max(initial=-np.inf)
    result: Numbers = np.exp((relevance - best) / RELEVANCE_SCALE)
    return result
