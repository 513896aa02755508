"""What is found, by meaning and by words, and how it is scored."""

import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from ibex.tenancy import tenant
from memories.indexing.terms import count_terms
from memories.models import Memory
from memories.retrieval import Query, Retrieval
from memories.retrieval.relevance import beside, places, rescale, smooth
from tests.conftest import World
from tests.context.library import ask, find, find_by_id, open_session, remember, say, search

HOST = "The user's primary database host is db.smoketest.example.com."
SNACK = "The user is allergic to peanuts."
EDITOR = "The user edits code in Neovim."


@pytest.fixture
def shelf(world: World) -> World:
    for content in (HOST, SNACK, EDITOR):
        remember(world.scout, content)
    return world


def test_a_memory_is_found_by_what_it_means(shelf: World) -> None:
    assert find(shelf.scout, "Suggest a snack for me") == [SNACK]


def test_a_memory_is_found_by_an_exact_name(shelf: World) -> None:
    assert find(shelf.scout, "ping db.smoketest.example.com", by_meaning=False) == [HOST]


def test_a_memory_is_found_by_both_and_says_so(shelf: World) -> None:
    (best,) = search(ask(shelf.scout, "Which database host should I use?")).candidates
    assert best.content == HOST
    assert best.scores.cosine is not None
    assert best.scores.cosine > 0.4
    assert best.scores.bm25 > 0
    assert best.scores.relevance == best.scores.z_bm25 + best.scores.z_cosine
    assert best.tokens > 10


def test_nothing_is_found_when_nothing_has_to_do_with_it(shelf: World) -> None:
    assert find(shelf.scout, "How do I revert the last commit in git?") == []
    assert find(shelf.scout, "thanks, that works!", by_meaning=False) == []


def test_what_just_missed_is_reported_with_its_scores(shelf: World) -> None:
    retrieval = search(ask(shelf.scout, "How do I revert the last commit in git?"))
    assert {candidate.content for candidate in retrieval.missed} == {HOST, SNACK, EDITOR}
    assert retrieval.pool == 3
    assert retrieval.level == "L0"
    assert set(retrieval.timings) == {"words_ms", "scoring_ms", "ranking_ms"}


def test_a_pinned_memory_is_always_there(shelf: World) -> None:
    pinned = remember(shelf.scout, "Answer in British English.", pinned=True)
    (found,) = search(ask(shelf.scout, "How do I revert the last commit in git?")).candidates
    assert (found.id, found.pinned) == (pinned.pk, True)


def test_a_pinned_memory_is_not_crowded_out(shelf: World) -> None:
    pinned = remember(shelf.scout, "Answer in British English.", pinned=True)
    for number in range(6):
        remember(shelf.scout, f"Commit number {number} of the git repository was reverted.")
    query = ask(shelf.scout, "How do I revert the last commit in git?")
    assert len(search(query).candidates) == 7
    *best, last = search(replace(query, limit=2)).candidates
    assert (len(best), last.id) == (2, pinned.pk)


def test_without_a_vector_words_still_find_it(shelf: World) -> None:
    retrieval = search(ask(shelf.scout, "the peanuts allergy", by_meaning=False))
    assert [candidate.content for candidate in retrieval.candidates] == [SNACK]
    assert retrieval.level == "L1"
    assert retrieval.candidates[0].scores.cosine is None


def test_a_memory_that_waits_for_its_embedding_is_found_by_words(world: World) -> None:
    remember(world.scout, HOST, embedded=False)
    remember(world.scout, SNACK)
    assert find(world.scout, "database host") == [HOST]


def test_an_empty_question_finds_only_what_is_pinned(shelf: World) -> None:
    remember(shelf.scout, "Be brief.", pinned=True)
    assert find(shelf.scout, "?!", by_meaning=False) == ["Be brief."]


def test_an_agent_that_knows_nothing_finds_nothing(world: World) -> None:
    retrieval = search(ask(world.scout, "anything at all"))
    assert (retrieval.candidates, retrieval.missed, retrieval.pool) == ([], [], 0)


def test_a_long_message_is_searched_for_by_its_beginning_and_its_end(shelf: World) -> None:
    log = " ".join(f"frame{number}" for number in range(3_000))
    for text in (f"peanuts allergy {log}", f"{log} peanuts allergy"):
        missed = search(ask(shelf.scout, text, by_meaning=False)).missed
        assert next(one for one in missed if one.content == SNACK).scores.bm25 > 0


def test_only_the_kinds_that_are_asked_for_come_back(shelf: World) -> None:
    say(open_session(shelf.scout), "I am allergic to peanuts, and my brother too.")
    everything = search(ask(shelf.scout, "peanuts allergy"))
    assert {candidate.kind for candidate in everything.candidates} == {"memory", "passage"}
    for kind in ("memory", "passage"):
        some = search(ask(shelf.scout, "peanuts allergy", kinds=frozenset({kind})))
        assert {candidate.kind for candidate in some.candidates} == {kind}


def test_no_more_than_the_limit_comes_back(world: World) -> None:
    for number in range(8):
        remember(world.scout, f"The user has visited Rome {number} times.")
    assert len(find(world.scout, "visits to Rome")) == 8
    assert len(find(world.scout, "visits to Rome", limit=3)) == 3


def test_bm25_is_what_the_formula_says(shelf: World) -> None:
    """k1 0.9, b 0.4, idf = ln(1 + (N - df + 0.5) / (df + 0.5)), over the agent's items."""
    repeated = "Database backups: the database host copies the database at night."
    memory = remember(shelf.scout, repeated)
    lengths = [sum(count_terms(text).values()) for text in (HOST, SNACK, EDITOR, repeated)]
    mean, length = sum(lengths) / 4, lengths[3]
    expected = 0.0
    for frequency in (3, 1):  # database, host: both in HOST too
        idf = math.log(1 + (4 - 2 + 0.5) / (2 + 0.5))
        saturation = 0.9 * (0.6 + 0.4 * length / mean)
        expected += idf * frequency * 1.9 / (frequency + saturation)
    found = find_by_id(search(ask(shelf.scout, "database host")), memory.pk)
    assert found.scores.bm25 == pytest.approx(expected)
    assert found.scores.share == pytest.approx(1.0)


def test_common_words_alone_still_find_something(world: World) -> None:
    for number in range(5):
        remember(world.scout, f"The user likes dish {number}.")
    assert len(find(world.scout, "likes dish", by_meaning=False)) == 5


def test_turns_around_a_hit_are_lifted_with_it(world: World) -> None:
    session = open_session(world.scout)
    say(session, "Good morning! How are you today?")
    (question,) = say(session, "Where should we open the second bakery?")
    (answer,) = say(session, "Lisbon, near the river.")
    elsewhere = open_session(world.scout)
    (stray,) = say(elsewhere, "Porto, near the river.")
    say(elsewhere, "My bicycle has a flat tyre.")
    retrieval = search(ask(world.scout, "Where will the second bakery open?"))
    lifted = find_by_id(retrieval, answer.pk)
    assert find_by_id(retrieval, question.pk).score > lifted.score
    assert lifted.scores.smoothed > lifted.scores.relevance
    assert stray.pk not in {candidate.id for candidate in retrieval.candidates}


def test_a_part_is_lifted_by_the_other_part_of_its_turn(world: World) -> None:
    session = open_session(world.scout)
    _asked, answered = say(session, "Where is the second bakery?", "By the river, in Lisbon.")
    say(open_session(world.scout), "My bicycle has a flat tyre.", "Patch it, then pump it up.")
    retrieval = search(ask(world.scout, "Where is the second bakery?"))
    assert find_by_id(retrieval, answered.pk).role == "assistant"


def test_smoothing_adds_the_measured_shares() -> None:
    turns = [("a", 0), ("a", 1), ("a", 2), ("a", 4), ("b", 1)]
    smoothed = smooth(places(turns), np.array([1.0, 2.0, 4.0, 8.0, 16.0]))
    expected = [
        1 + 0.45 * 2 + 0.30 * 4,
        2 + 0.45 * (1 + 4),
        4 + 0.45 * 2 + 0.30 * (1 + 8),
        8 + 0.30 * 4,
        16,
    ]
    assert smoothed == pytest.approx(expected)


def test_a_turn_counts_as_its_best_part_and_parts_share_with_each_other() -> None:
    turns = [("a", 0), ("a", 0), ("a", 1)]
    smoothed = smooth(places(turns), np.array([1.0, 3.0, 5.0]))
    assert smoothed == pytest.approx([1 + 0.45 * 5 + 0.3 * 3, 3 + 0.45 * 5 + 0.3 * 1, 5 + 0.45 * 3])


def test_three_parts_share_with_the_best_of_the_others() -> None:
    turns = places([("a", 7), ("b", 7), ("a", 7), ("a", 7)])
    smoothed = smooth(turns, np.array([1.0, 9.0, 2.0, 4.0]))
    assert smoothed == pytest.approx([1 + 0.3 * 4, 9, 2 + 0.3 * 4, 4 + 0.3 * 2])
    assert smooth(places([]), np.array([])).tolist() == []


def test_the_turns_next_to_a_hit_pass_with_it_and_no_others() -> None:
    turns = places([("a", 0), ("a", 1), ("a", 2), ("a", 3), ("b", 1)])
    hits = np.array([False, True, False, False, False])
    assert beside(turns, hits).tolist() == [True, True, True, False, False]


def test_rescaling_keeps_the_order_and_gives_back_the_spread() -> None:
    raw, smoothed = np.array([1.0, 2.0, 3.0]), np.array([10.0, 40.0, 70.0])
    assert rescale(smoothed, like=raw) == pytest.approx([1.0, 2.0, 3.0])
    assert rescale(np.array([]), like=np.array([])).tolist() == []
    assert rescale(np.array([5.0]), like=np.array([2.0])) == pytest.approx([2.0])


def order(retrieval: Retrieval) -> list[str]:
    return [candidate.content for candidate in retrieval.candidates]


def twins(world: World, first: dict[str, object], second: dict[str, object]) -> list[str]:
    """Store the same memory twice with different fields (the second is the younger row)."""
    remember(world.scout, "The user's cat is called Miso.", **first)
    remember(world.scout, "The user's cat is called Miso!", **second)
    remember(world.scout, SNACK)
    return order(search(ask(world.scout, "What is my cat called?")))


def test_newer_more_useful_and_surer_memories_come_first(world: World) -> None:
    year_ago = timezone.now() - timedelta(days=365)
    assert twins(world, {"observed_at": year_ago}, {})[0].endswith("!")


def test_usefulness_breaks_a_tie(world: World) -> None:
    assert twins(world, {"usefulness": 1.0}, {"usefulness": 0.0})[0].endswith(".")


def test_confidence_breaks_a_tie(world: World) -> None:
    assert twins(world, {"confidence": 1.0}, {"confidence": 0.5})[0].endswith(".")


def test_relevance_decides_before_everything_else(shelf: World) -> None:
    """The best multipliers on a weaker match do not beat the worst on a clear one."""
    with tenant(shelf.acme):
        Memory.objects.filter(content=HOST).update(
            usefulness=0, confidence=0, observed_at=timezone.now() - timedelta(days=2_000)
        )
    remember(shelf.scout, "The user administers databases.", usefulness=1.0, confidence=1.0)
    assert find(shelf.scout, "Which host is the primary database on?")[0] == HOST


def test_multipliers_stay_within_their_bounds(shelf: World) -> None:
    with tenant(shelf.acme):
        Memory.objects.update(usefulness=1, confidence=1)
    for candidate in search(ask(shelf.scout, "database host, peanuts, Neovim")).candidates:
        assert candidate.scores.recency == pytest.approx(1.1, abs=0.001)
        assert candidate.scores.usefulness == pytest.approx(1.1)
        assert candidate.scores.confidence == pytest.approx(1.05)
    later = timezone.now() + timedelta(days=36_500)
    for candidate in search(ask(shelf.scout, "peanuts allergy", now=later)).candidates:
        assert candidate.scores.recency == pytest.approx(0.9)


def test_the_same_question_gives_the_same_answer(shelf: World) -> None:
    query: Query = ask(shelf.scout, "database host or peanuts?")
    first, second = search(query), search(query)
    assert first.candidates == second.candidates
    assert first.missed == second.missed


def test_what_was_believed_then_can_be_asked(world: World) -> None:
    now = timezone.now()
    remember(
        world.scout,
        "The user lives in Porto.",
        status="superseded",
        valid_from=now - timedelta(days=90),
        valid_until=now - timedelta(days=30),
    )
    remember(world.scout, "The user lives in Lisbon.", valid_from=now - timedelta(days=30))
    for by_meaning in (True, False):
        asked = {"text": "Which city does the user live in?", "by_meaning": by_meaning}
        then = now - timedelta(days=60)
        assert find(world.scout, as_of=then, **asked) == ["The user lives in Porto."]
        assert find(world.scout, **asked) == ["The user lives in Lisbon."]
