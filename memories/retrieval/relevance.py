"""How relevant each candidate is, and whether that is enough (ADR 0040).

Relevance is the sum of the z-scores of BM25 and cosine over the candidates. A passage shares in
its neighbours': a turn answers the one before it, and often only one of the two names the thing.
All arrays are float64, one number a row; a missing cosine is NaN.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]
"""Where passages stand: turns of one session are neighbouring numbers, sessions far apart."""
SESSION_SPAN = 2**32

NEIGHBOUR_WEIGHTS = {1: 0.45, 2: 0.30}
"""What a turn gets of the relevance of turns one and two places away; measured on LoCoMo."""
SIBLING_WEIGHT = 0.30
"""What a part gets of the best other part of its own turn; measured on exchanges of LoCoMo."""

COSINE_FLOOR = 0.30
SHARE_FLOOR = 0.48
SHARE_FLOOR_WITHOUT_COSINE = 0.20
"""A candidate is related when its cosine, or the share of the query's idf mass that it matches,
reaches its floor. Measured: ADR 0040."""
HAPAX_PART = 0.6
MATCHED_TERMS = 2
"""One matched word counts for the floor only if it has this part of the idf of a word that occurs
once: `thanks` may be all of a query, and says nothing. Two words that go together do count."""

COSINE_NOISE = 0.05
BM25_NOISE = 0.25
"""Deviations below these are not stretched: among two or three candidates, or among equals, a
difference of nothing would decide otherwise. Real pools spread wider (0.09 and 1.5)."""


@dataclass(frozen=True, slots=True)
class Yardstick:
    """Mean and standard deviation of the candidates' scores: what a z-score is measured by."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, values: Numbers, noise: float = 1e-9) -> "Yardstick":
        """Measure the values that are there; `noise` is the least deviation that counts."""
        values = values[~np.isnan(values)]
        if not len(values):
            return cls(0.0, noise)
        return cls(float(values.mean()), max(float(values.std()), noise))

    def z(self, values: Numbers) -> Numbers:
        """Return z-scores; 0, the mean, for a missing value."""
        return np.nan_to_num((values - self.mean) / self.deviation)


@dataclass(frozen=True, slots=True)
class Matches:
    """Which of the query's words each row holds: how many, their idf, and its share of all."""

    terms: Numbers
    mass: Numbers
    share: Numbers


def places(turns: Sequence[tuple[Hashable, int]]) -> Places:
    """Give each passage the number of its place, from the session and the index of its turn."""
    sessions = {session: number for number, (session, _turn) in enumerate(turns)}
    return np.array([sessions[s] * SESSION_SPAN + turn for s, turn in turns], dtype=np.int64)


def smooth(where: Places, relevance: Numbers) -> Numbers:
    """Let each passage share in the relevance of the turns around it and of its own other parts.

    A turn is as relevant as its best part: an answer cut in two does not count twice, and a
    long aside does not weaken what was said beside it. A neighbour that is not given (hidden,
    or past the end) counts 0, the mean.
    """
    if not len(where):
        return relevance
    turns, turn_of = np.unique(where, return_inverse=True)
    best = np.full(len(turns), -np.inf)
    np.maximum.at(best, turn_of, relevance)
    around = np.zeros(len(turns))
    for step, weight in NEIGHBOUR_WEIGHTS.items():
        for side in (-step, step):
            around += weight * _at(turns + side, turns, best)
    return relevance + around[turn_of] + SIBLING_WEIGHT * _siblings(turn_of, relevance)


def rescale(values: Numbers, like: Numbers) -> Numbers:
    """Give `values` the mean and deviation of `like`, in their own order.

    Smoothing widens the spread of passages about twofold; memories, which have no neighbours,
    are compared with them on the same scale again.
    """
    new = Yardstick.of(like)
    return new.mean + Yardstick.of(values).z(values) * new.deviation


def related(cosine: Numbers, words: Matches, hapax_idf: float) -> Flags:
    """Say which rows have anything to do with the query, whatever else was found."""
    floor = np.where(np.isnan(cosine), SHARE_FLOOR_WITHOUT_COSINE, SHARE_FLOOR)
    telling = (words.mass >= HAPAX_PART * hapax_idf) | (words.terms >= MATCHED_TERMS)
    by_words = (words.mass > 0) & (words.share >= floor) & telling
    return by_words | (np.nan_to_num(cosine) >= COSINE_FLOOR)


def beside(where: Places, hits: Flags) -> Flags:
    """Flag the rows of turns that were hit and of those next to them: they are related too."""
    turns = where[hits]
    return np.isin(where, np.concatenate([turns - 1, turns, turns + 1]))


def _at(wanted: Places, turns: Places, values: Numbers) -> Numbers:
    """Return the values of the wanted turns, 0 for those that are not among `turns` (sorted)."""
    index = np.minimum(np.searchsorted(turns, wanted), len(turns) - 1)
    return np.where(turns[index] == wanted, values[index], 0.0)


def _siblings(turn_of: npt.NDArray[np.intp], relevance: Numbers) -> Numbers:
    """Return for each part the relevance of the best other part of its turn, 0 without one."""
    order = np.lexsort((-relevance, turn_of))  # by turn, and the best part first
    turn, value = turn_of[order], relevance[order]
    is_best = np.ones(len(order), dtype=bool)
    is_best[1:] = turn[1:] != turn[:-1]
    first = np.maximum.accumulate(np.where(is_best, np.arange(len(order)), 0))
    has_second = np.append(~is_best[1:], False)
    second = np.where(has_second, np.append(value[1:], 0.0), 0.0)
    siblings = np.empty(len(order))
    siblings[order] = np.where(is_best, second, value[first])
    return siblings
