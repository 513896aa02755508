"""What is read of a text that is longer than the model's window."""

from itertools import pairwise

import numpy as np
import pytest

from embedder.limits import MAX_PASSAGE_PIECES, MAX_WINDOWS_PER_TEXT
from embedder.pieces import Cutter, cut_passage, cut_query
from embedder.refusals import Invalid

CONTENT = 254
FILLER = "and the rain went on over the empty harbour while nobody came out to look at it "


def content_of(pieces) -> list[list[int]]:
    return [window[1:-1] for window in pieces.windows]


def test_a_short_query_is_read_whole() -> None:
    assert content_of(cut_query([*range(1_000, 1_062)])) == [[*range(1_000, 1_062)]]


def test_a_long_query_is_read_at_its_head_and_tail() -> None:
    (kept,) = content_of(cut_query([*range(1_000, 1_200)]))
    assert kept == [*range(1_000, 1_031), *range(1_169, 1_200)]


def test_a_passage_that_fits_is_one_window() -> None:
    assert [len(window) for window in cut_passage([7] * CONTENT).windows] == [256]


def test_a_longer_passage_is_cut_in_windows_that_overlap() -> None:
    ids = [*range(1_000, 1_600)]
    windows = content_of(cut_passage(ids))
    assert [len(window) for window in windows] == [254, 254, 156]
    assert all(one[-32:] == other[:32] for one, other in pairwise(windows))
    assert windows[0][0] == ids[0]
    assert windows[-1][-1] == ids[-1]


def test_no_window_holds_only_what_its_neighbour_holds() -> None:
    for length in range(250, 800):
        windows = content_of(cut_passage([*range(length)]))
        assert {piece for window in windows for piece in window} == set(range(length))
        assert len(windows) == 1 or len(windows[-1]) > 32


def test_the_longest_passage_is_read_and_one_piece_more_is_refused() -> None:
    assert len(cut_passage([7] * MAX_PASSAGE_PIECES).windows) == MAX_WINDOWS_PER_TEXT
    with pytest.raises(Invalid, match="10,022 word pieces"):
        cut_passage([7] * (MAX_PASSAGE_PIECES + 1))


@pytest.mark.parametrize("unit", ["!", "a ", "é", "한", "字", "0.", "\u0301e"])
def test_any_memory_of_10_000_bytes_can_be_read(unit: str) -> None:
    text = unit * (10_000 // len(unit.encode()))
    (pieces,) = Cutter().cut([text], "passage")
    assert pieces.count <= MAX_PASSAGE_PIECES


def test_the_vector_of_a_long_passage_is_the_mean_of_its_windows(embedder) -> None:
    answer = embedder.embed([FILLER * 40])
    assert answer.status == 200
    vector = np.array(answer.json["data"][0]["embedding"])
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert answer.json["usage"]["prompt_tokens"] == 17 * 40


def test_a_long_passage_is_found_by_what_stands_at_its_end(embedder) -> None:
    plain = FILLER * 20
    texts = [plain, f"{plain} Maria keeps three goats and sells cheese at the market. " * 1]
    passages = [item["embedding"] for item in embedder.embed(texts).json["data"]]
    query = embedder.embed("Who sells goat cheese?", kind="query").json["data"][0]["embedding"]
    without, with_goats = np.array(passages) @ np.array(query)
    assert with_goats > without + 0.02


def test_the_question_at_the_end_of_a_long_message_counts(embedder) -> None:
    question = "How do I renew my passport?"
    asked = embedder.embed(f"{FILLER * 2_000} {question}", kind="query").json
    alone = embedder.embed(question, kind="query").json
    filler = embedder.embed(FILLER, kind="query").json
    vectors = [np.array(each["data"][0]["embedding"]) for each in (asked, alone, filler)]
    assert asked["usage"]["prompt_tokens"] == 62
    assert vectors[0] @ vectors[1] > vectors[2] @ vectors[1] + 0.1


def test_a_passage_beyond_the_limit_is_refused_with_the_limit(embedder) -> None:
    answer = embedder.embed("word " * (MAX_PASSAGE_PIECES + 1))
    assert answer.status == 400
    assert answer.error["code"] == "VALIDATION_ERROR"
    assert answer.error["param"] == "input"
    assert "10,022 word pieces" in answer.error["message"]


def test_texts_that_are_too_much_together_are_refused(embedder) -> None:
    answer = embedder.embed([f"{number} " + "a " * 3_500 for number in range(150)])
    assert answer.status == 400
    assert "2,048 windows" in answer.error["message"]
