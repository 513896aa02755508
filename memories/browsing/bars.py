"""A score as a bar: how much of it came from words, how much from meaning, and what moved it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

WIDTH = 100.0
FULL_SCORE = 1.25
"""The best candidate's score is 1 before the multipliers, which together add at most a quarter."""


@dataclass(frozen=True)
class ScoreBar:
    """Three lengths of a bar that is 100 wide, one after the other."""

    score: float
    keyword: float
    meaning: float
    adjustment: float

    @property
    def meaning_at(self) -> float:
        """Where the second part begins."""
        return self.keyword

    @property
    def adjustment_at(self) -> float:
        """Where the third part begins."""
        return self.keyword + self.meaning

    @property
    def words(self) -> str:
        """What the bar shows, for those who do not see it."""
        return f"keyword {self.keyword:.0f}, meaning {self.meaning:.0f} of {WIDTH:.0f}"


def score_bar(score: float, parts: Mapping[str, Any] | None) -> ScoreBar:
    """Divide a score by what words and meaning added to it; without parts it is all one."""
    parts = parts or {}
    moved = _number(parts, "recency") * _number(parts, "usefulness") * _number(parts, "confidence")
    length = WIDTH * min(max(score, 0.0), FULL_SCORE) / FULL_SCORE
    plain = length / moved if moved > 1 else length
    words = max(_number(parts, "z_bm25", 0.0), 0.0)
    meaning = max(_number(parts, "z_cosine", 0.0), 0.0)
    share = words / (words + meaning) if words + meaning else float(not meaning)
    cuts = (plain * share, plain * (1 - share), length - plain)
    return ScoreBar(score, *(round(cut, 1) for cut in cuts))


def _number(parts: Mapping[str, Any], name: str, default: float = 1.0) -> float:
    value = parts.get(name)
    return float(value) if isinstance(value, int | float) else default
