"""From what a person says of themselves to what is said about them."""

import re

CONTRACTIONS = (
    (r"\bi'm\b", "I am"),
    (r"\b(we|you|they)'re\b", r"\1 are"),
    (r"\b(i|we|you|they)'ve\b", r"\1 have"),
    (r"\b(i|we|you|he|she|they|it)'d\b", r"\1 would"),
    (r"\b(i|we|you|he|she|they|it)'ll\b", r"\1 will"),
    (r"\bcan't\b|\bcannot\b", "can not"),
    (r"\bwon't\b", "will not"),
    (r"\b(do|does|did|is|are|was|were|has|have|had|would|could|should)n't\b", r"\1 not"),
    (r"\b(it|that|he|she)'s (?=been\b|got\b|had\b)", r"\1 has "),
    (r"\b(it|that|he|she)'s\b", r"\1 is"),
)
PRONOUNS = {
    "i am": "they are",
    "i was": "they were",
    "we were": "they were",
    "am i": "are they",
    "i": "they",
    "me": "them",
    "my": "their",
    "mine": "theirs",
    "myself": "themselves",
    "we": "they",
    "us": "them",
    "our": "their",
    "ours": "theirs",
    "ourselves": "themselves",
    "you": "the assistant",
    "your": "the assistant's",
    "yourself": "itself",
}
PRONOUN = re.compile(
    rf"\b(?:{'|'.join(sorted(PRONOUNS, key=len, reverse=True))})\b(?!\.\w)", re.IGNORECASE
)
UNCHANGING = frozenset(
    "will would can could shall should may might must was were is had did used went met".split()
)
IRREGULAR = {"am": "is", "are": "is", "have": "has", "do": "does", "go": "goes"}
PLURAL_ACRONYM = re.compile(r"^US$")


def expand(text: str) -> str:
    """Write contractions out: `I'm` → `I am`, `don't` → `do not`."""
    for pattern, replacement in CONTRACTIONS:
        text = re.sub(pattern, replacement, text, flags=re.IGNORECASE)
    return text


def third_person(text: str) -> str:
    """Turn the speaker's pronouns into `they`, `their`, and `you` into `the assistant`."""
    return PRONOUN.sub(_replace, text)


def singular(verb: str) -> str:
    """Return a present verb as it follows `the user`: `use` → `uses`, `have` → `has`."""
    lower = verb.lower()
    if lower in UNCHANGING or lower.endswith("ed"):
        return lower
    if lower in IRREGULAR:
        return IRREGULAR[lower]
    if re.search(r"(?:s|x|z|ch|sh|o)$", lower):
        return f"{lower}es"
    if re.search(r"[^aeiou]y$", lower):
        return f"{lower[:-1]}ies"
    return f"{lower}s"


def sentence(text: str) -> str:
    """Begin with a capital and end with one full stop."""
    text = " ".join(text.split()).rstrip(" .,;:")
    return f"{text[:1].upper()}{text[1:]}."


def _replace(match: re.Match[str]) -> str:
    found = match[0]
    if PLURAL_ACRONYM.match(found):  # "the US" is no pronoun
        return found
    return PRONOUNS[found.lower()]
