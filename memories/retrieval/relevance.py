"""How relevant a candidate is, and whether that is enough (ADR 0040).

Relevance is the sum of the z-scores of BM25 and cosine over the candidates. A passage shares in
its neighbours': a turn answers the one before it, and often only one of the two names the thing.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]

NEIGHBOUR_WEIGHTS = {1: 0.45, 2: 0.30}
"""What a turn gets of the relevance of turns one and two places away; measured on LoCoMo."""
SIBLING_WEIGHT = 0.30
"""What a part gets of the best other part of its own turn; measured on exchanges of LoCoMo."""

COSINE_FLOOR = 0.30
SHARE_FLOOR = 0.40
SHARE_FLOOR_WITHOUT_COSINE = 0.25
"""A candidate is related when its cosine, or the share of the query's idf mass that it matches,
reaches its floor. Measured: ADR 0040."""
HAPAX_PART = 0.6
"""Matched words count for the floor only with this part of the idf of a word that occurs once:
`thanks` alone is all of a query, and says nothing."""


@dataclass(frozen=True, slots=True)
class Yardstick:
    """Mean and standard deviation of the candidates' scores: what a z-score is measured by."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Yardstick":
        """Measure the values; of none, or of equal ones, every z-score is 0."""
        if not values:
            return cls(0.0, 0.0)
        return cls(float(np.mean(values)), float(np.std(values)))

    def z(self, value: float | None) -> float:
        """Return the z-score of a value; a missing one is taken to be the mean."""
        if value is None or self.deviation < 1e-9:  # noqa: PLR2004 - rounding error of equal values
            return 0.0
        return (value - self.mean) / self.deviation


class Place(NamedTuple):
    """Where a passage stands: its session and turn."""

    session: UUID
    turn: int


def smooth(places: Sequence[Place], relevance: Sequence[float]) -> list[float]:
    """Let each passage share in the relevance of the turns around it and of its own other parts.

    A turn is as relevant as its best part: an answer cut in two does not count twice, and a
    long aside does not weaken what was said beside it. A neighbour that is not given (hidden,
    or past the end) counts 0, the mean.
    """
    parts: defaultdict[Place, list[int]] = defaultdict(list)
    for index, place in enumerate(places):
        parts[place].append(index)
    turns = {place: max(relevance[i] for i in own) for place, own in parts.items()}
    return [
        value
        + SIBLING_WEIGHT * max((relevance[i] for i in parts[place] if i != index), default=0.0)
        + _around(place, turns)
        for index, (place, value) in enumerate(zip(places, relevance, strict=True))
    ]


def rescale(values: Sequence[float], like: Sequence[float]) -> list[float]:
    """Give `values` the mean and deviation of `like`, in their own order.

    Smoothing widens the spread of passages about twofold; memories, which have no neighbours,
    are compared with them on the same scale again.
    """
    old, new = Yardstick.of(values), Yardstick.of(like)
    return [new.mean + old.z(value) * new.deviation for value in values]


def is_related(cosine: float | None, share: float, mass: float, hapax_idf: float) -> bool:
    """Say whether a candidate has anything to do with the query, whatever else was found."""
    if cosine is not None and cosine >= COSINE_FLOOR:
        return True
    floor = SHARE_FLOOR_WITHOUT_COSINE if cosine is None else SHARE_FLOOR
    return share >= floor and mass >= HAPAX_PART * hapax_idf


def beside(related: Iterable[Place]) -> set[Place]:
    """Return these turns and those next to them: what was said around a hit is related too."""
    return {Place(place.session, place.turn + step) for place in related for step in (-1, 0, 1)}


def _around(place: Place, turns: Mapping[Place, float]) -> float:
    return sum(
        weight * turns.get(Place(place.session, place.turn + step * side), 0.0)
        for step, weight in NEIGHBOUR_WEIGHTS.items()
        for side in (-1, 1)
    )
