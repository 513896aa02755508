"""Text → terms: what the text index counts, the same for what is stored and what is asked.

Words are lower-cased, freed of accents and cut to their Snowball stem; stop words are left out.
What is written as one piece (`db.example.com`, `ada@example.com`, `3.11.4`, `user_id`) is a term
as it stands, and each of its parts is one too: exact names are found exactly, and by any part.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from threading import Lock

import snowballstemmer

MAX_TERM_LENGTH = 64
"""Characters; a longer term is cut, on both sides of a comparison alike."""
MAX_TERMS = 400
"""Distinct terms of one text; the first ones in reading order are kept."""
MAX_FREQUENCY = 32_767
"""What the frequency column holds."""

_STOP_WORDS = (
    "a about again all also am an and any are as at be been being both but by ca can could did do"
    " does doing each few for from further had has have having he her here hers him his how i if"
    " in into is it its itself just let me more most my myself no nor not now of off on once only"
    " or other our ours out over own please same shall she should so some such than that the their"
    " theirs them then there these they this those through to too under until up upon us very was"
    " we were what when where which while who whom whose why will with wo would you your"
    " yours"
)
STOP_WORDS = frozenset(_STOP_WORDS.split())

_ENDING = re.compile(r"(?<=\w)(?:n't|'(?:s|t|d|m|ll|re|ve))(?!\w)")
_PIECE = re.compile(r"[^\W_]+(?:[._@-]+[^\W_]+)*")
_JOINT = re.compile(r"[._@-]+")

_stemmer = snowballstemmer.stemmer("english")
_stemmer_is_stateful = Lock()


def count_terms(text: str) -> dict[str, int]:
    """Return each term of `text` with its frequency, in reading order.

    Deterministic; at most `MAX_TERMS` terms of at most `MAX_TERM_LENGTH` characters. The length
    of a text, as BM25 means it, is the sum of the frequencies.
    """
    counts: dict[str, int] = {}
    for term in _terms(_plain(text)):
        if term in counts:
            counts[term] = min(counts[term] + 1, MAX_FREQUENCY)
        elif len(counts) < MAX_TERMS:
            counts[term] = 1
    return counts


def _plain(text: str) -> str:
    """Lower the case, drop accents, and cut English contractions (`don't`, `Ada's`)."""
    if not text.isascii():
        decomposed = unicodedata.normalize("NFKD", text.replace("\u2019", "'"))
        text = "".join(char for char in decomposed if not unicodedata.combining(char))
    return _ENDING.sub("", text.lower())


def _terms(text: str) -> Iterator[str]:
    for piece in _PIECE.findall(text):
        parts = _JOINT.split(piece)
        if len(parts) > 1:
            yield piece[:MAX_TERM_LENGTH]
        for part in parts:
            if part not in STOP_WORDS:
                yield _stem(part[:MAX_TERM_LENGTH])


@lru_cache(maxsize=65_536)
def _stem(word: str) -> str:
    with _stemmer_is_stateful:
        stem: str = _stemmer.stemWord(word)
    return stem
