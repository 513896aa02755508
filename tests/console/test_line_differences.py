"""What changed between two texts, as a reviewer reads it."""

import time
from random import Random

from ibex.differences import Piece
from ibex.line_differences import MAX_LINES, Row, line_changes


def rows(old: str, new: str, *, ignore_whitespace: bool = False) -> list[Row]:
    found = line_changes(old, new, ignore_whitespace=ignore_whitespace)
    assert found is not None
    return [row for block in found.blocks for row in block.rows]


def test_a_changed_line_shows_its_words() -> None:
    one, two, three = rows("A\nAnswer in ten sentences.\nC", "A\nAnswer in three points.\nC")
    assert (one.kind, two.kind, three.kind) == ("same", "changed", "same")
    assert two.old is not None
    assert two.new is not None
    assert two.old.pieces == [
        Piece("same", "Answer in "),
        Piece("removed", "ten sentences."),
    ]
    assert [piece.text for piece in two.new.pieces if piece.kind == "added"] == ["three points."]
    assert (two.old.number, two.new.number) == (2, 2)


def test_lines_that_came_and_went_keep_their_own_numbers() -> None:
    found = rows("A\nB\nC", "B\nC\nD")
    shape = [
        (row.kind, row.old.number if row.old else None, row.new.number if row.new else None)
        for row in found
    ]
    assert shape == [("removed", 1, None), ("same", 2, 1), ("same", 3, 2), ("added", None, 3)]


def test_lines_that_have_nothing_in_common_are_not_mixed() -> None:
    (row,) = rows("Never promise a time for a fix.", "Bananas!")
    assert row.old is not None
    assert [piece.kind for piece in row.old.pieces] == ["removed"]


def test_the_words_and_the_places_are_counted() -> None:
    found = line_changes("a b c\nsame\nd", "a b x y\nsame\nd\ne")
    assert found is not None
    assert (found.added, found.removed, found.changes) == (3, 1, 2)
    assert not found.is_empty


def test_spaces_alone_can_be_ignored() -> None:
    old, new = "  A  b\nC", "A b  \nC"
    assert [row.kind for row in rows(old, new)] == ["changed", "same"]
    assert [row.kind for row in rows(old, new, ignore_whitespace=True)] == ["same", "same"]
    same = line_changes(old, new, ignore_whitespace=True)
    assert same is not None
    assert same.is_empty


def test_what_is_far_from_a_change_is_folded_and_nothing_is_lost() -> None:
    lines = [f"line {n}" for n in range(100)]
    found = line_changes("\n".join(lines), "\n".join([*lines[:50], "new", *lines[51:]]))
    assert found is not None
    assert [(block.folded, len(block.rows)) for block in found.blocks] == [
        (True, 47),
        (False, 7),
        (True, 46),
    ]


def test_a_first_text_is_all_new_and_the_same_text_no_change() -> None:
    assert [row.kind for row in rows("", "a\nb")] == ["added", "added"]
    nothing = line_changes("a\nb", "a\nb")
    assert nothing is not None
    assert nothing.is_empty


def test_every_line_of_both_texts_is_there_once() -> None:
    random = Random(3)  # noqa: S311 - the same lines each time
    for _round in range(200):
        old = [random.choice("abcde ") * random.randint(0, 3) for _ in range(random.randint(1, 30))]
        new = [random.choice("abcde ") * random.randint(0, 3) for _ in range(random.randint(1, 30))]
        for ignore in (False, True):
            found = rows("\n".join(old), "\n".join(new), ignore_whitespace=ignore)
            left = [row.old.text for row in found if row.old]
            right = [row.new.text for row in found if row.new]
            assert (left or [""], right or [""]) == (old, new)


def test_nobody_waits_for_two_texts_that_differ_everywhere() -> None:
    random = Random(5)  # noqa: S311 - the same lines each time
    words = [f"w{n}" for n in range(40)]
    texts = ["\n".join(random.choices(words, k=9_000))[:32_768] for _ in range(2)]
    long = [" ".join(random.choices(words, k=9_000))[:32_768] for _ in range(2)]
    even = ["\n".join(" ".join(random.choices(words, k=60)) for _ in range(170)) for _ in range(2)]
    for old, new in (
        texts,
        long,
        even,
        ("a\n" * 16_000, "b\n" * 16_000),
        ("\n" * 1999, "x\n" * 1999),
    ):
        began = time.monotonic()
        line_changes(old, new)
        assert time.monotonic() - began < 3
    assert line_changes("a\n" * (MAX_LINES + 5), "b\n" * (MAX_LINES + 5)) is None
