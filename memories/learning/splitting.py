"""Cutting long text where a reader would: at the end of a paragraph, a sentence, or a word."""

import re
from collections.abc import Iterator

PARAGRAPH_END = re.compile(r"\n\s*\n")
SENTENCE_END = re.compile(r"[.!?…][\"')\]]*\s+|\n")
WORD_END = re.compile(r"\s+")
FULL_ENOUGH = 0.5
"""How much of the room a piece has to fill before an earlier, better end is taken."""


def pieces(text: str, limit: int) -> Iterator[str]:
    """Yield consecutive pieces of at most `limit` characters, without blanks around them."""
    rest = text.strip()
    while rest:
        end = _end_of_piece(rest, limit)
        yield rest[:end].strip()
        rest = rest[end:].strip()


def first_piece(text: str, limit: int) -> str:
    """Return the beginning of a text, cut at a good place; empty for blank text."""
    return next(pieces(text, limit), "")


def _end_of_piece(text: str, limit: int) -> int:
    if len(text) <= limit:
        return len(text)
    window = text[: limit + 1]
    for boundary in (PARAGRAPH_END, SENTENCE_END, WORD_END):
        ends = [match.end() for match in boundary.finditer(window) if match.start() <= limit]
        good = [min(end, limit) for end in ends if end >= limit * FULL_ENOUGH]
        if good:
            return good[-1]
    return limit
