"""Which candidates go into the block: the most relevance that fits the budget (ADR 0041).

A 0/1 knapsack over tokens with at most so many items, solved exactly in steps of four tokens.
Pinned memories come first. The same input packs the same way.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np

from context.formatting import item_tokens, wrapper_tokens
from memories.retrieval import Candidate
from memories.terms import count_terms

STEP_TOKENS = 4
SAME_WORDS = 0.8
ONLY_A_QUESTION = re.compile(r"[^.!?\n]*\?")
PINNED_BONUS = 1_000.0
SAME_TURN_FACTOR = 1.25
"""A passage stays beside a memory from its own turn only when it is this much more relevant."""


@dataclass(frozen=True)
class Packed:
    """What was taken, and why each of the others was not."""

    taken: list[Candidate]
    tokens: int
    left_out: dict[UUID, str] = field(default_factory=dict)


def pack(candidates: Sequence[Candidate], *, budget_tokens: int, max_items: int) -> Packed:
    """Choose items whose block stays within `budget_tokens`, wrapper included."""
    left_out: dict[UUID, str] = {}
    kept = _without_repetition(_without_echoes(candidates, left_out), left_out)
    capacity = budget_tokens - wrapper_tokens()
    sizes = [item_tokens(candidate) for candidate in kept]
    chosen = _choose(kept, sizes, capacity, max_items) if capacity > 0 and max_items > 0 else set()
    for index, candidate in enumerate(kept):
        if index not in chosen:
            left_out[candidate.id] = "max_items" if len(chosen) >= max_items else "budget"
    taken = [kept[index] for index in sorted(chosen)]
    tokens = sum(sizes[index] for index in chosen) + (wrapper_tokens() if taken else 0)
    return Packed(taken, tokens, left_out)


def _without_echoes(candidates: Sequence[Candidate], left_out: dict[UUID, str]) -> list[Candidate]:
    """Drop passages that say again what a memory made from the same turn already says."""
    best: dict[UUID, float] = {}
    for memory in candidates:
        if memory.kind == "memory":
            for turn in memory.turns:
                best[turn] = max(best.get(turn, 0.0), memory.score)
    kept = []
    for candidate in candidates:
        said = max((best.get(turn, 0.0) for turn in candidate.turns), default=0.0)
        if candidate.kind == "passage" and said and candidate.score < said * SAME_TURN_FACTOR:
            left_out[candidate.id] = "same_turn"
        else:
            kept.append(candidate)
    return kept


def _without_repetition(
    candidates: Sequence[Candidate], left_out: dict[UUID, str]
) -> list[Candidate]:
    """Drop passages that only ask, and those that say what a better candidate says.

    A question that many have asked would fill the block with itself; what was answered lifts its
    own passage, which stays.
    """
    kept: list[Candidate] = []
    said: list[set[str]] = []
    for candidate in candidates:
        words = set(count_terms(candidate.content))
        if candidate.kind == "passage" and ONLY_A_QUESTION.fullmatch(candidate.content.strip()):
            left_out[candidate.id] = "question"
        elif candidate.kind == "passage" and any(_same(words, other) for other in said):
            left_out[candidate.id] = "duplicate"
        else:
            kept.append(candidate)
            said.append(words)
    return kept


def _same(one: set[str], other: set[str]) -> bool:
    """Say whether two texts have nearly the same words (Jaccard similarity of their terms)."""
    return len(one & other) >= SAME_WORDS * max(len(one | other), 1)


def _choose(
    candidates: Sequence[Candidate], sizes: Sequence[int], capacity: int, max_items: int
) -> set[int]:
    """Solve the knapsack: value[count, capacity], one item after the other."""
    if sum(sizes) <= capacity and len(candidates) <= max_items:
        return set(range(len(candidates)))
    steps = capacity // STEP_TOKENS
    weights = [-(-size // STEP_TOKENS) for size in sizes]
    best = np.zeros((max_items + 1, steps + 1))
    takes: list[np.ndarray] = []
    for candidate, weight in zip(candidates, weights, strict=True):
        take = np.zeros_like(best, dtype=bool)
        if weight <= steps:
            value = candidate.score + (PINNED_BONUS if candidate.pinned else 0.0)
            with_it = best[:-1, : steps + 1 - weight] + value
            take[1:, weight:] = with_it > best[1:, weight:]
            best[1:, weight:] = np.maximum(best[1:, weight:], with_it)
        takes.append(take)
    return _trace_back(takes, weights, max_items, steps)


def _trace_back(
    takes: Sequence[np.ndarray], weights: Sequence[int], count: int, step: int
) -> set[int]:
    chosen: set[int] = set()
    for index in range(len(takes) - 1, -1, -1):
        if takes[index][count, step]:
            chosen.add(index)
            count -= 1
            step -= weights[index]
    return chosen
