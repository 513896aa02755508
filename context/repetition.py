"""What would fill a block without saying anything: questions, and what stands there already.

A question that many have asked is the best match for itself. Its answer is lifted by it and stays;
the question only takes the place of something that is known.
"""

import re
from collections.abc import Sequence
from uuid import UUID

from memories.retrieval import Candidate

WORD = re.compile(r"\w+")
ONLY_A_QUESTION = re.compile(r"[^.!?\n]*\?")
SAME_WORDS = 0.8
"""Two passages repeat each other from this Jaccard similarity of their words on."""


def without_repetition(
    candidates: Sequence[Candidate],
) -> tuple[list[Candidate], dict[UUID, str]]:
    """Return the candidates that say something new, best first, and why the others do not.

    Only passages are left out: `question`, or `duplicate` of a better passage. What many people
    learned twice is a matter for the write pipeline.
    """
    kept: list[Candidate] = []
    left_out: dict[UUID, str] = {}
    said: list[set[str]] = []
    for candidate in candidates:
        reason = _reason(candidate, said) if candidate.kind == "passage" else ""
        if reason:
            left_out[candidate.id] = reason
        else:
            kept.append(candidate)
    return kept, left_out


def _reason(passage: Candidate, said: list[set[str]]) -> str:
    if ONLY_A_QUESTION.fullmatch(passage.content.strip()):
        return "question"
    words = set(WORD.findall(passage.content.lower()))
    least, most = SAME_WORDS * len(words), len(words) / SAME_WORDS
    for other in said:  # sizes first: dozens of passages make a thousand pairs
        if least <= len(other) <= most and _is_same(words, other):
            return "duplicate"
    said.append(words)
    return ""


def _is_same(words: set[str], other: set[str]) -> bool:
    return len(words & other) >= SAME_WORDS * len(words | other)
