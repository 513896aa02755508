"""What changed between two texts, word by word, in a bounded time."""

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

Kind = Literal["same", "added", "removed"]

WORDS = re.compile(r"\s+|\S+")
MAX_WORDS = 4_000
MIN_UNCHANGED = 160
KEPT = 60


@dataclass(frozen=True)
class Piece:
    """Some consecutive text that stayed, came or went."""

    kind: Kind
    text: str


def word_changes(old: str, new: str) -> list[Piece] | None:
    """Compare two texts; None when they are too long to compare while somebody waits."""
    before, after = WORDS.findall(old), WORDS.findall(new)
    if max(len(before), len(after)) > MAX_WORDS:
        return None
    pieces: list[Piece] = []
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, before, after, autojunk=True).get_opcodes():
        if tag == "equal":
            pieces.append(Piece("same", _fold("".join(before[i1:i2]))))
            continue
        if i2 > i1:
            pieces.append(Piece("removed", "".join(before[i1:i2])))
        if j2 > j1:
            pieces.append(Piece("added", "".join(after[j1:j2])))
    return pieces


def _fold(text: str) -> str:
    """Leave out the middle of a long run that did not change."""
    return text if len(text) <= MIN_UNCHANGED else f"{text[:KEPT]} … {text[-KEPT:]}"
