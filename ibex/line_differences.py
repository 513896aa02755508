"""What changed between two texts, line by line, and word by word within a changed line."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Literal

from ibex.differences import WORDS, Piece

Kind = Literal["same", "changed", "added", "removed"]

MAX_LINES = 2_000
MAX_WORDS = 400
"""Words of a line that are compared one by one; a longer line is shown as changed whole."""
MIN_ALIKE = 0.35
"""Below this likeness two lines are not versions of each other, and words that match are chance."""
CONTEXT = 3
MIN_FOLDED = 4


@dataclass(frozen=True)
class Line:
    """One line of one text: its number from 1, and its pieces."""

    number: int
    pieces: list[Piece]

    @property
    def text(self) -> str:
        """The line as it is written."""
        return "".join(piece.text for piece in self.pieces)


@dataclass(frozen=True)
class Row:
    """What stands on one height: a line of the old text, of the new one, or both."""

    kind: Kind
    old: Line | None
    new: Line | None


@dataclass(frozen=True)
class Block:
    """Rows that follow each other; a folded one is unchanged and far from any change."""

    folded: bool
    rows: list[Row]


@dataclass(frozen=True)
class Difference:
    """Two texts side by side."""

    blocks: list[Block]
    added: int
    removed: int
    changes: int

    @property
    def is_empty(self) -> bool:
        """Whether nothing changed, as far as it was looked at."""
        return not self.changes


def line_changes(old: str, new: str, *, ignore_whitespace: bool = False) -> Difference | None:
    """Compare two texts; None when they differ in more than can be compared while somebody waits.

    `added` and `removed` count words. With `ignore_whitespace`, lines that differ in nothing else
    are the same.
    """
    before, after = old.split("\n") if old else [], new.split("\n") if new else []
    rows = _rows(before, after, ignore_whitespace=ignore_whitespace)
    if rows is None:
        return None
    pieces = [piece for row in rows for line in (row.old, row.new) if line for piece in line.pieces]
    return Difference(
        list(_folded(rows)),
        added=_words(pieces, "added"),
        removed=_words(pieces, "removed"),
        changes=sum(1 for _run in _runs(rows)),
    )


def _rows(before: list[str], after: list[str], *, ignore_whitespace: bool) -> list[Row] | None:
    left = [_key(line) for line in before] if ignore_whitespace else before
    right = [_key(line) for line in after] if ignore_whitespace else after
    head = _shared(left, right)
    tail = _shared(left[head:][::-1], right[head:][::-1])
    ends = len(left) - tail, len(right) - tail
    if max(ends) - head > MAX_LINES:
        return None
    rows = [_same(before, after, n, n) for n in range(head)]
    matcher = SequenceMatcher(None, left[head : ends[0]], right[head : ends[1]])
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        old, new = range(head + i1, head + i2), range(head + j1, head + j2)
        if tag == "equal":
            rows += [_same(before, after, i, j) for i, j in zip(old, new, strict=True)]
        else:
            rows += [_changed(before, after, i, j) for i, j in zip_longest(old, new)]
    return rows + [_same(before, after, ends[0] + n, ends[1] + n) for n in range(tail)]


def _same(before: list[str], after: list[str], i: int, j: int) -> Row:
    old, new = [Piece("same", before[i])], [Piece("same", after[j])]
    return Row("same", Line(i + 1, old), Line(j + 1, new))


def _changed(before: list[str], after: list[str], i: int | None, j: int | None) -> Row:
    if i is None and j is not None:
        return Row("added", None, Line(j + 1, [Piece("added", after[j])]))
    if j is None and i is not None:
        return Row("removed", Line(i + 1, [Piece("removed", before[i])]), None)
    if i is None or j is None:
        raise ValueError("A changed row has a line on one side at least.")
    old, new = _compared(before[i], after[j])
    return Row("changed", Line(i + 1, old), Line(j + 1, new))


def _compared(old: str, new: str) -> tuple[list[Piece], list[Piece]]:
    """Return the pieces of both lines; those of lines that are nothing alike are one each."""
    before, after = WORDS.findall(old), WORDS.findall(new)
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    if max(len(before), len(after)) > MAX_WORDS or matcher.ratio() < MIN_ALIKE:
        return [Piece("removed", old)], [Piece("added", new)]
    left, right = [], []
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        gone, came = "".join(before[i1:i2]), "".join(after[j1:j2])
        left.append(Piece("same" if tag == "equal" else "removed", gone))
        right.append(Piece("same" if tag == "equal" else "added", came))
    return _joined(left), _joined(right)


def _joined(pieces: list[Piece]) -> list[Piece]:
    """Make one piece of words that changed side by side: the space between them is no news."""
    found: list[Piece] = []
    for piece in [piece for piece in pieces if piece.text]:
        gap = len(found) > 1 and found[-1].kind == "same" and found[-1].text.isspace()
        if gap and piece.kind != "same" and found[-2].kind == piece.kind:
            space = found.pop().text
            found[-1] = Piece(piece.kind, found[-1].text + space + piece.text)
        else:
            found.append(piece)
    return found


def _key(line: str) -> str:
    return re.sub(r"\s+", " ", line).strip()


def _shared(one: list[str], other: list[str]) -> int:
    """Count the lines that both begin with."""
    pairs = zip(one, other, strict=False)
    differing = (n for n, (left, right) in enumerate(pairs) if left != right)
    return next(differing, min(len(one), len(other)))


def _words(pieces: list[Piece], kind: str) -> int:
    return sum(len(piece.text.split()) for piece in pieces if piece.kind == kind)


def _runs(rows: list[Row]) -> Iterator[int]:
    """Yield where each run of changed rows begins."""
    for n, row in enumerate(rows):
        if row.kind != "same" and (n == 0 or rows[n - 1].kind == "same"):
            yield n


def _folded(rows: list[Row]) -> Iterator[Block]:
    """Fold what is unchanged and further than a few lines from any change."""
    near = [False] * len(rows)
    for n, row in enumerate(rows):
        if row.kind != "same":
            near[max(0, n - CONTEXT) : n + CONTEXT + 1] = [True] * (
                min(len(rows), n + CONTEXT + 1) - max(0, n - CONTEXT)
            )
    begin = 0
    for n in range(1, len(rows) + 1):
        if n == len(rows) or near[n] != near[begin]:
            yield Block(not near[begin] and n - begin >= MIN_FOLDED, rows[begin:n])
            begin = n
