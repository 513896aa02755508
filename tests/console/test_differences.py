"""What changed between two texts."""

import time

from ibex.differences import MAX_WORDS, Piece, word_changes


def test_only_what_changed_is_marked() -> None:
    assert word_changes("Be kind today.", "Be brief today.") == [
        Piece("same", "Be "),
        Piece("removed", "kind"),
        Piece("added", "brief"),
        Piece("same", " today."),
    ]
    assert word_changes("", "New") == [Piece("added", "New")]
    assert word_changes("Same", "Same") == [Piece("same", "Same")]


def test_a_small_edit_of_a_long_text_is_shown_with_its_surroundings_folded() -> None:
    long = "word " * 6_000
    changes = word_changes(f"{long}old {long}", f"{long}new {long}")
    assert changes is not None
    assert [piece.kind for piece in changes] == ["same", "removed", "added", "same"]
    assert sum(len(piece.text) for piece in changes) < 400


def test_texts_that_differ_too_much_are_not_compared() -> None:
    began = time.monotonic()
    assert word_changes("a b " * MAX_WORDS, "c d " * MAX_WORDS) is None
    assert time.monotonic() - began < 1
