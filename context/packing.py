"""Which candidates go into the block: the most relevance that fits (ADR 0041).

A 0/1 knapsack over tokens with at most so many items; pinned memories come first, and the same
input packs the same way. The work is bounded whatever the budget: tokens are counted in buckets,
rounded up, and what the rounding leaves over is filled exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np
import numpy.typing as npt

from context.budget import item_tokens, wrapper_tokens
from memories.retrieval import Candidate

MAX_CELLS = 300_000
"""Candidates x counts x buckets: about 2 ms of work."""
MAX_BUCKETS = 2_048
CLEARLY_MORE = 0.25
"""A passage stays beside a memory made from its own turn only if its cosine and its share of the
query's words are together this much higher: then it says more than the memory does. Absolute
values: scores relative to a pool would make much of little in a small one."""

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Room:
    """What may still be added."""

    tokens: int
    items: int


@dataclass(frozen=True)
class Packed:
    """What was taken, best first, its tokens with the wrapper, and why others were not taken.

    Reasons: `same_turn`, `max_items` or `budget`.
    """

    taken: list[Candidate]
    tokens: int
    left_out: dict[UUID, str] = field(default_factory=dict)


def pack(candidates: Sequence[Candidate], *, budget_tokens: int, max_items: int) -> Packed:
    """Choose among candidates, best first, a block of at most `budget_tokens`, wrapper included."""
    room = Room(budget_tokens - wrapper_tokens(), max_items)
    if room.tokens <= 0 or room.items <= 0:
        reason = "max_items" if room.items <= 0 else "budget"
        return Packed([], 0, {candidate.id: reason for candidate in candidates})
    sizes = [item_tokens(candidate) for candidate in candidates]
    chosen = _choose(candidates, sizes, room)
    tokens = sum(sizes[index] for index in chosen) + (wrapper_tokens() if chosen else 0)
    return Packed(
        [candidates[index] for index in sorted(chosen)],
        tokens,
        _reasons(candidates, chosen, max_items),
    )


def _choose(candidates: Sequence[Candidate], sizes: Sequence[int], room: Room) -> set[int]:
    """Take pinned memories, then the best of the rest, then echoes of memories that did not fit."""
    pinned = [index for index, candidate in enumerate(candidates) if candidate.pinned]
    chosen = fill(pinned, sizes, room)
    echoes = _echoes(candidates, range(len(candidates)))
    rest = [i for i in range(len(candidates)) if i not in echoes and not candidates[i].pinned]
    values = [candidate.score for candidate in candidates]
    chosen |= knapsack(rest, sizes, values, _left(room, sizes, chosen))
    lost = sorted(echoes - _echoes(candidates, chosen))
    return chosen | fill(lost, sizes, _left(room, sizes, chosen))


def fill(indices: Sequence[int], sizes: Sequence[int], room: Room) -> set[int]:
    """Take what fits, in the given order."""
    chosen: set[int] = set()
    for index in indices:
        left = _left(room, sizes, chosen)
        if left.items and sizes[index] <= left.tokens:
            chosen.add(index)
    return chosen


def knapsack(
    indices: Sequence[int], sizes: Sequence[int], values: Sequence[float], room: Room
) -> set[int]:
    """Take the most value that fits; `indices` have falling values.

    Most often the tokens run out before the number of items does, so that number is only taken
    into account, at the price of coarser buckets, when the choice without it is too large.
    """
    if room.items <= 0 or room.tokens <= 0:
        return set()
    best = indices[: room.items]
    if sum(sizes[index] for index in best) <= room.tokens:
        return set(best)  # no other choice of as many has more value
    chosen = _solve(indices, sizes, values, room, count=0)
    if len(chosen) > room.items:
        chosen = _solve(indices, sizes, values, room, count=room.items)
    rest = [index for index in indices if index not in chosen]
    chosen |= fill(rest, sizes, _left(room, sizes, chosen))
    return max(chosen, fill(indices, sizes, room), key=lambda some: sum(values[i] for i in some))


def _solve(
    indices: Sequence[int],
    sizes: Sequence[int],
    values: Sequence[float],
    room: Room,
    *,
    count: int,
) -> set[int]:
    """Solve the knapsack in buckets of tokens, for at most `count` items, or any number if 0."""
    affordable = MAX_CELLS // (len(indices) * (count + 1))
    buckets = max(min(MAX_BUCKETS, room.tokens, affordable), 1)
    weights = [-(-sizes[index] * buckets // room.tokens) for index in indices]
    takes = _tabulate(weights, [values[index] for index in indices], count, buckets)
    return {indices[place] for place in _trace_back(takes, weights, count, buckets)}


def _tabulate(
    weights: Sequence[int], values: Sequence[float], count: int, buckets: int
) -> list[Flags]:
    """Say for each item whether it is taken, at every number of items and every fill.

    With a `count` of 0 there is one row, for any number.
    """
    step = min(count, 1)
    best = np.zeros((count + 1, buckets + 1))
    takes = []
    for weight, value in zip(weights, values, strict=True):
        take = np.zeros(best.shape, dtype=bool)
        if weight <= buckets:
            with_it = best[: count + 1 - step, : buckets + 1 - weight] + value
            take[step:, weight:] = with_it > best[step:, weight:]
            best[step:, weight:] = np.maximum(best[step:, weight:], with_it)
        takes.append(take)
    return takes


def _trace_back(
    takes: Sequence[Flags], weights: Sequence[int], count: int, bucket: int
) -> list[int]:
    places, step = [], min(count, 1)
    for place in range(len(takes) - 1, -1, -1):
        if takes[place][count, bucket]:
            places.append(place)
            count -= step
            bucket -= weights[place]
    return places


def _echoes(candidates: Sequence[Candidate], among: range | set[int]) -> set[int]:
    """Return the passages that say again what a memory, `among` these, says of the same turn."""
    said: dict[UUID, float] = {}
    for index in among:
        if candidates[index].kind == "memory":
            for turn in candidates[index].turns:
                said[turn] = max(said.get(turn, 0.0), _closeness(candidates[index]))
    return {
        index
        for index, candidate in enumerate(candidates)
        if candidate.kind == "passage"
        and any(
            turn in said and _closeness(candidate) < said[turn] + CLEARLY_MORE
            for turn in candidate.turns
        )
    }


def _closeness(candidate: Candidate) -> float:
    return (candidate.scores.cosine or 0.0) + candidate.scores.share


def _left(room: Room, sizes: Sequence[int], chosen: set[int]) -> Room:
    return Room(room.tokens - sum(sizes[index] for index in chosen), room.items - len(chosen))


def _reasons(candidates: Sequence[Candidate], chosen: set[int], max_items: int) -> dict[UUID, str]:
    echoes = _echoes(candidates, chosen)
    crowded = "max_items" if len(chosen) >= max_items else "budget"
    return {
        candidate.id: "same_turn" if index in echoes else crowded
        for index, candidate in enumerate(candidates)
        if index not in chosen
    }
