"""What goes into the block: the most relevance that fits, and never more than fits."""

import itertools
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from context.budget import item_tokens, wrapper_tokens
from context.formatting import format_block
from context.packing import Room, knapsack, pack
from ibex.ids import uuid7
from memories.retrieval import estimate_tokens
from tests.context.candidates import CANDIDATES, best_first, memory, passage

LARGE = 100_000
WORDS = "word " * 100


@given(CANDIDATES, st.integers(0, 3_000), st.integers(0, 25))
@settings(deadline=None)
def test_a_block_never_exceeds_its_budget_or_its_number(
    candidates: list, budget: int, max_items: int
) -> None:
    packed = pack(candidates, budget_tokens=budget, max_items=max_items)
    assert packed.tokens <= budget
    assert len(packed.taken) <= max_items
    assert estimate_tokens(format_block(packed.taken)) <= packed.tokens or not packed.taken
    assert {c.id for c in packed.taken} | set(packed.left_out) == {c.id for c in candidates}


@given(CANDIDATES, st.integers(0, 3_000), st.integers(0, 25))
@settings(deadline=None)
def test_the_same_candidates_pack_the_same_way(
    candidates: list, budget: int, max_items: int
) -> None:
    packed = [pack(candidates, budget_tokens=budget, max_items=max_items) for _ in range(2)]
    assert packed[0] == packed[1]


@given(
    st.lists(st.tuples(st.integers(40, 500), st.floats(0.01, 1)), min_size=1, max_size=9),
    st.integers(1, 2_000),
    st.integers(1, 9),
)
@settings(deadline=None)
def test_a_small_knapsack_is_solved_as_well_as_by_trying_everything(
    items: list, tokens: int, number: int
) -> None:
    items = sorted(items, key=lambda item: -item[1])
    sizes, values = [size for size, _ in items], [value for _, value in items]
    chosen = knapsack(range(len(items)), sizes, values, Room(tokens, number))
    best = max(
        sum(values[i] for i in some)
        for count in range(min(number, len(items)) + 1)
        for some in itertools.combinations(range(len(items)), count)
        if sum(sizes[i] for i in some) <= tokens
    )
    assert sum(sizes[i] for i in chosen) <= tokens
    assert sum(values[i] for i in chosen) > 0.999 * best - 1e-9


def test_two_good_items_beat_one_better_one_of_their_size() -> None:
    large = memory(WORDS * 2, score=0.6)
    small = [memory(WORDS, score=0.5), memory(WORDS, score=0.45)]
    budget = wrapper_tokens() + sum(map(item_tokens, small))
    packed = pack([large, *small], budget_tokens=budget, max_items=9)
    assert packed.taken == small
    assert packed.left_out == {large.id: "budget"}


def test_no_more_than_the_wanted_number_is_taken_and_it_is_the_best() -> None:
    candidates = best_first([memory(score=number / 30) for number in range(1, 31)])
    packed = pack(candidates, budget_tokens=LARGE, max_items=5)
    assert packed.taken == candidates[:5]
    assert set(packed.left_out.values()) == {"max_items"}


def test_pinned_memories_come_before_better_ones() -> None:
    pinned = memory(WORDS, score=0.01, pinned=True)
    better = [memory(WORDS, score=1.0) for _ in range(3)]
    budget = wrapper_tokens() + 2 * item_tokens(pinned)
    packed = pack([*better, pinned], budget_tokens=budget, max_items=9)
    assert pinned in packed.taken
    assert len(packed.taken) == 2
    assert pack([*better, pinned], budget_tokens=LARGE, max_items=1).taken == [pinned]


def test_a_passage_that_repeats_a_packed_memory_is_dropped() -> None:
    turn = uuid7()
    fact = memory(score=1.0, turns=(turn,))
    echo, other = passage(score=0.9, turns=(turn,)), passage(score=0.2, turns=(uuid7(),))
    packed = pack([fact, echo, other], budget_tokens=LARGE, max_items=9)
    assert packed.taken == [fact, other]
    assert packed.left_out == {echo.id: "same_turn"}


def test_a_passage_that_is_clearly_more_relevant_stays_beside_its_memory() -> None:
    turn = uuid7()
    words = passage(score=1.0, cosine=0.8, turns=(turn,))
    fact = memory(score=0.5, cosine=0.5, turns=(turn,))
    assert pack([words, fact], budget_tokens=LARGE, max_items=9).taken == [words, fact]


def test_a_passage_stays_when_the_memory_of_its_turn_does_not_fit() -> None:
    turn = uuid7()
    fact, words = memory(WORDS * 9, score=1.0, turns=(turn,)), passage(score=0.9, turns=(turn,))
    budget = wrapper_tokens() + item_tokens(words)
    packed = pack([fact, words], budget_tokens=budget, max_items=9)
    assert packed.taken == [words]
    assert packed.left_out == {fact.id: "budget"}


def test_the_work_is_bounded_whatever_the_budget() -> None:
    sizes = [50 + 37 * number % 2_000 for number in range(200)]
    values = [1 / (1 + number) for number in range(200)]
    for tokens, number in ((2_000, 20), (100_000, 50), (100_000, 150)):
        started = time.process_time()
        knapsack(range(200), sizes, values, Room(tokens, number))
        assert time.process_time() - started < 0.1  # about 3 ms


def test_without_room_nothing_is_taken_and_the_reason_is_told() -> None:
    one = memory()
    assert pack([one], budget_tokens=10, max_items=5).left_out == {one.id: "budget"}
    assert pack([one], budget_tokens=LARGE, max_items=0).left_out == {one.id: "max_items"}
    assert pack([], budget_tokens=LARGE, max_items=5).tokens == 0
