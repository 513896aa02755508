"""What changed between two texts, word by word, in a bounded time."""

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

Kind = Literal["same", "added", "removed"]

WORDS = re.compile(r"\s+|\S+")
MAX_WORDS = 1_500
MIN_UNCHANGED = 160
KEPT = 60


@dataclass(frozen=True)
class Piece:
    """Some consecutive text that stayed, came or went."""

    kind: Kind
    text: str


def word_changes(old: str, new: str) -> list[Piece] | None:
    """Compare two texts; None when they differ in more than can be compared while somebody waits.

    What both begin and end with costs nothing, so a small edit of a long text is always shown.
    """
    before, after = WORDS.findall(old), WORDS.findall(new)
    head = _shared(before, after)
    tail = _shared(before[head:][::-1], after[head:][::-1])
    gone, came = before[head : len(before) - tail], after[head : len(after) - tail]
    if max(len(gone), len(came)) > MAX_WORDS:
        return None
    pieces = [Piece("same", _fold("".join(before[:head])))]
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, gone, came).get_opcodes():
        if tag == "equal":
            pieces.append(Piece("same", _fold("".join(gone[i1:i2]))))
        else:
            pieces.append(Piece("removed", "".join(gone[i1:i2])))
            pieces.append(Piece("added", "".join(came[j1:j2])))
    pieces.append(Piece("same", _fold("".join(before[len(before) - tail :]))))
    return [piece for piece in pieces if piece.text]


def _shared(one: list[str], other: list[str]) -> int:
    """Count the words that both begin with."""
    pairs = zip(one, other, strict=False)
    differing = (n for n, (left, right) in enumerate(pairs) if left != right)
    return next(differing, min(len(one), len(other)))


def _fold(text: str) -> str:
    """Leave out the middle of a long run that did not change."""
    return text if len(text) <= MIN_UNCHANGED else f"{text[:KEPT]} … {text[-KEPT:]}"
