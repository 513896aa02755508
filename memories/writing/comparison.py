"""Whether two sentences say the same, or cannot both hold: by words, never by cosine (ADR 0037).

Contradictions lie closest of all ("peanuts" / "no peanuts": 0.969), so a cosine only proposes whom
to compare. A wrong merge loses a fact and a missed one costs a few tokens: in doubt, neither.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from threading import Lock

import snowballstemmer

WORD = re.compile(r"[^\W_]+(?:[.,:'\u2019@/_+#&-]+[^\W_]+)*[+#]*")
NUMBER = re.compile(r"\d")
FILLER = frozenset(
    "a an the is are am be been being do does of that this these those it its and they their them"
    " very really so just also now currently already anymore please user asks assistant".split()
)
NEGATIONS = frozenset(
    "not no never none nothing nobody neither nor without cannot stopped quit"
    " isn't aren't wasn't weren't doesn't don't didn't won't wouldn't can't couldn't shouldn't"
    " hasn't haven't hadn't".split()
)
NO_LONGER = re.compile(r"\b(?:no|not any) (?:longer|more)\b", re.IGNORECASE)
LIKING = frozenset("like love enjoy adore prefer favour favor fond".split())
DISLIKING = frozenset("dislike hate detest loathe despise avoid".split())
DAYS = frozenset(
    "monday tuesday wednesday thursday friday saturday sunday january february march april june"
    " july august september october november december".split()
)

_stemmer = snowballstemmer.stemmer("english")
_stemmer_is_stateful = Lock()


class Relation(StrEnum):
    """How a newer sentence stands to an older one."""

    SAME = "same"
    OPPOSED = "opposed"
    DIFFERENT = "different"


@dataclass(frozen=True)
class Gist:
    """What has to be equal before two sentences may be one."""

    words: tuple[str, ...]
    numbers: tuple[str, ...]
    names: tuple[str, ...]
    negated: bool
    polarity: int


def compare(new: str, old: str) -> Relation:
    """Compare two sentences about the same agent and subject.

    The same: equal words in equal order (stems, fillers left out), numbers, names, negation and
    polarity. Opposed: exactly one of number, negation or polarity differs, and all else is equal.
    """
    a, b = gist(new), gist(old)
    if a.words != b.words or a.names != b.names:
        return Relation.DIFFERENT
    differences = (a.numbers != b.numbers) + (a.negated != b.negated) + (a.polarity != b.polarity)
    if differences == 0:
        return Relation.SAME
    return Relation.OPPOSED if differences == 1 and a.words else Relation.DIFFERENT


def gist(text: str) -> Gist:
    """Take a sentence apart."""
    words: list[str] = []
    numbers: list[str] = []
    names: list[str] = []
    negations, polarity = 0, 0
    for place, token in enumerate(WORD.findall(NO_LONGER.sub("not", text))):
        plain = token.lower().replace("\u2019", "'")
        stem = _stem(plain.removesuffix("'s"))
        if plain in NEGATIONS:
            negations += 1
        elif NUMBER.search(plain) or plain in DAYS:
            numbers.append(plain.replace(",", ""))
            words.append("#")
        elif stem in _LIKING_STEMS:
            polarity += 1
            words.append("~")
        elif stem in _DISLIKING_STEMS:
            polarity -= 1
            words.append("~")
        elif plain not in FILLER and stem not in FILLER:
            words.append(stem)
            if place and token != plain:
                names.append(token)
    return Gist(tuple(words), tuple(numbers), tuple(names), negations % 2 == 1, polarity)


def mentions(text: str, value: str) -> bool:
    """Say whether every word of `value` occurs in `text`."""
    wanted, present = gist(value), gist(text)
    return set(wanted.words) <= set(present.words) and set(wanted.numbers) <= set(present.numbers)


@lru_cache(maxsize=16_384)
def _stem(word: str) -> str:
    with _stemmer_is_stateful:
        stem: str = _stemmer.stemWord(word)
    return stem


_LIKING_STEMS = frozenset(map(_stem, LIKING))
_DISLIKING_STEMS = frozenset(map(_stem, DISLIKING))
