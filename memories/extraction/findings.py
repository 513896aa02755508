"""What the rules pass to each other: a clause that was said, and what was found in it."""

import re
from dataclasses import dataclass, field

from memories.models import Category

MAX_VALUE_CHARACTERS = 300
POLITENESS = re.compile(
    r"[\s,;]+(?:please|thanks|thank you|ok(?:ay)?|btw|by the way|actually|though|too|as well"
    r"|obviously"
    r"|of course|by now|right|you know|fyi)$",
    re.IGNORECASE,
)
POINTING = re.compile(
    r"^(?:it|this|that|these|those|them|they|he|she|him|her|one|so|here|there|then|the following"
    r"|the (?:above|same|other)|what|how|why|when|where|which|who|something|anything|everything"
    r"|stuff|things?|your?|the (?:way|idea|fact|first|second|last|latter|former))\b",
    re.IGNORECASE,
)
TROUBLE = re.compile(
    r"\b(?:errors?|exceptions?|traceback|stack ?trace|segfault|undefined|null pointer|not working"
    r"|(?<!\bi )(?<!\bwe )"
    r"(?:does|do|did|is|are) not (?:work|run|compile|load|start|build)|failing|fails|crash\w*"
    r"|bugs?"
    r"|stuck|broken|typo)\b",
    re.IGNORECASE,
)
"""A passing problem: what people ask help for, and nothing to remember."""


@dataclass(frozen=True)
class Clause:
    """One clause, with contractions written out and dates resolved."""

    text: str
    is_explicit: bool = False
    is_unsure: bool = False
    has_date: bool = False
    is_correction: bool = False
    when: str = ""
    """A date that the clause began with; `text` goes on after it."""
    whole: str = ""
    """The clause with its afterthoughts, which `text` leaves out."""


@dataclass(frozen=True)
class Finding:
    """A statement about the user in the third person, before it becomes a candidate."""

    content: str
    label: Category = Category.FACTUAL
    confidence: float = 0.80
    key: str = ""
    replaces: tuple[str, ...] = ()
    retracts: str = ""
    others: dict[str, float] = field(default_factory=dict)
    attribute: str = ""
    """For `my X is Y`: X as it was said, so that "actually, it's Z" can refer to it."""


def clean_value(text: str) -> str:
    """Return a value without courtesies, or nothing when it points outside of the clause."""
    value, before = text.strip(" ,:;\"'"), None
    while value != before:
        value, before = POLITENESS.sub("", value).strip(" ,:;"), value
    if not value or len(value) > MAX_VALUE_CHARACTERS or POINTING.match(value):
        return ""
    return value


def match(pattern: re.Pattern[str], clause: Clause) -> dict[str, str] | None:
    """Match a whole clause; the named groups, empty where they took no part."""
    found = pattern.match(clause.text)
    return {k: v or "" for k, v in found.groupdict().items()} if found else None


def compiled(pattern: str) -> re.Pattern[str]:
    """Compile a rule's pattern: whole clause, no case, white space only as layout."""
    return re.compile(rf"^(?:{pattern})$", re.IGNORECASE | re.VERBOSE)
