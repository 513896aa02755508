"""A block is not filled with what says nothing new."""

from datetime import UTC, datetime

import pytest

from context.repetition import without_repetition
from ibex.ids import uuid7
from memories.retrieval import Candidate, Scores


def candidate(content: str, kind: str = "passage") -> Candidate:
    now = datetime.now(UTC)
    scores = Scores(1.0, 0.5, 0.5, 1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 1.0, 2.0)
    return Candidate(uuid7(), kind, content, now, now, scores)  # type: ignore[arg-type]


def kept(*candidates: Candidate) -> tuple[list[str], list[str]]:
    left, reasons = without_repetition(candidates)
    return [c.content for c in left], list(reasons.values())


def test_a_question_makes_room_for_its_answer() -> None:
    asked, answered = candidate("Where do we ship from?"), candidate("We ship from Rotterdam.")
    assert kept(asked, answered) == (["We ship from Rotterdam."], ["question"])


@pytest.mark.parametrize(
    "text", ["We moved to Oslo. Is that known?", "Known? Yes.", "Ship it!", "Why not"]
)
def test_what_says_something_beside_a_question_stays(text: str) -> None:
    assert kept(candidate(text)) == ([text], [])


def test_the_same_words_stand_there_once() -> None:
    first, again = candidate("We ship from Rotterdam."), candidate("we ship FROM rotterdam")
    assert kept(first, again) == ([first.content], ["duplicate"])


def test_memories_always_stay() -> None:
    texts = ["Is it known?", "We ship from Rotterdam.", "We ship from Rotterdam."]
    assert kept(*(candidate(text, "memory") for text in texts)) == (texts, [])
