"""From a message to the clauses in which its author states something.

Left out: questions, hypotheticals, quotations, code, pasted documents. In doubt a sentence is
dropped: what is missed is still found as a passage, what is wrong would be believed.
"""

import re
from dataclasses import dataclass

DROPPED = "\N{OBJECT REPLACEMENT CHARACTER}"
"""Stands where a quotation was; a clause that holds it is incomplete and not used."""

FENCE = re.compile(r"(?:^|\n)[ \t]*(```|~~~|\"\"\"|''').*?(?:\n[ \t]*\1|\Z)|```.*?```", re.DOTALL)
MATERIAL = re.compile(
    r"\b(?:translate|summari[sz]e|rewrite|rephrase|paraphrase|proofread|reword|edit|correct"
    r"|improve|fix"
    r"|classify|analy[sz]e|extract|explain|review|answer as|reply to|respond to"
    r"|tl;?dr)\b[^\n:]{0,80}:"
    r"|\b(?:the following|this) (?:text|email|e-mail|message|article|document|letter|paragraph"
    r"|essay"
    r"|review|transcript|conversation|story|post|passage|sentence|code)\b[^\n:]{0,40}:",
    re.IGNORECASE,
)
"""What follows is somebody's text to work on, not a statement."""
ELEMENT = re.compile(r"<([A-Za-z][\w:-]*)\b[^>]*>.*?</\1\s*>", re.DOTALL)
TAG = re.compile(r"</?[A-Za-z!][^>\n]{0,200}>")
NOT_PROSE_LINE = re.compile(r"^(?:[ \t]*>|\t| {4,}|[ \t]*\||[ \t]*(?:\$|#!|>>>) ).*$", re.MULTILINE)
QUOTED = re.compile(
    r"\"([^\"\n]*)\"|\u201c([^\u201d\n]*)\u201d|\u00ab([^\u00bb\n]*)\u00bb|`([^`\n]*)`"
)
SINGLE_QUOTED = re.compile(r"(?<!\w)'([^'\n]{3,}?)'(?!\w)|\u2018([^\u2019\n]{3,}?)\u2019(?!\w)")
FIRST_PERSON = re.compile(r"\b(?:i|my|me|mine|we|our|us|i'm|i've)\b", re.IGNORECASE)
MAX_QUOTED_WORDS = 4

ABBREVIATION = re.compile(
    r"\b(?:mr|mrs|ms|dr|prof|st|vs|e\.g|i\.e|approx|fig)\.$",
    re.IGNORECASE,
)
INITIAL = re.compile(r"\b[A-Z]\.$")
SURNAME = re.compile(r"(?!I\b|My\b|We\b|Our\b|It\b|The\b|And\b|But\b|Please\b)[A-Z]\w")
SENTENCE_BREAK = re.compile(r"(?<=[.!?\u2026;])[\"')\]]*\s+|\n+")
BULLET = re.compile(r"^[ \t]*(?:[-*\u2022+]|\d{1,2}[.)])\s+")
QUESTION = re.compile(
    r"^(?:what|who|whom|whose|when|where|which|why|how|is|are|am|was|were|do (?:i|you|we|they)"
    r"|does|did|can|could|would|will (?:i|you|we|it|this|that|the|my)|shall|should|may i|have (?:i"
    r"|you"
    r"|we)|has|had (?:i|you|we)|isn't|aren't|wasn't|weren't|don't (?:you|we|i)|doesn't|didn't"
    r"|can't|couldn't|won't|wouldn't|shouldn't|any (?:idea|chance|thoughts?))\b",
    re.IGNORECASE,
)
HYPOTHETICAL = re.compile(
    r"\b(?:if|suppose|supposing|imagine|assum(?:e|ing)|hypothetically|what if|let's say|say that"
    r"|pretend|for example|for instance|e\.g|unless|whether|would have|i wish|might|maybe|perhaps"
    r"|probably|possibly|not sure|no idea|as if)\b",
    re.IGNORECASE,
)
MY_CLAUSE = r"(?=(?:my|our|i|i'm|i've|we|we're|we've|please|call me|remember)\b(?!\s*,))"
CLAUSE_BREAK = re.compile(
    rf"(?:\s*,)?\s+(?:and|but|so|while|although|though|whereas|because)\s+(?:also\s+"
    rf"|that\s+)?{MY_CLAUSE}"
    rf"|\s*,\s+(?:please\b|{MY_CLAUSE})|\s+[-\u2013\u2014]\s+{MY_CLAUSE}",
    re.IGNORECASE,
)
REQUEST_TO_REMEMBER = re.compile(
    r"^(?:can|could|would|will) you (?:please )?(?=(?:remember|note|keep in mind)\b)", re.IGNORECASE
)
CONDITIONAL_RULE = re.compile(
    r"^(?:please )?(?:always|never|from now on|remember to)\b", re.IGNORECASE
)


@dataclass(frozen=True)
class Sentence:
    """One statement and the clauses it consists of."""

    text: str
    clauses: tuple[str, ...]


def statements(text: str) -> list[Sentence]:
    """Return what a message states, in order."""
    found = []
    for raw in _sentences(_prose(text)):
        sentence = _stated(raw)
        if sentence:
            clauses = tuple(c.strip(" ,") for c in CLAUSE_BREAK.split(sentence) if c.strip(" ,"))
            found.append(Sentence(sentence, clauses))
    return found


def _prose(text: str) -> str:
    """Cut out code, pasted documents and quotations."""
    text = MATERIAL.split(FENCE.sub("\n", text.replace("\r\n", "\n")))[0]
    text = TAG.sub(" ", ELEMENT.sub(f" {DROPPED} ", text))
    text = NOT_PROSE_LINE.sub("", text)
    text = QUOTED.sub(_keep_names, text)
    return SINGLE_QUOTED.sub(_keep_names, text).replace("\u2019", "'")


def _keep_names(match: re.Match[str]) -> str:
    """Keep a quoted name or value; what somebody said, or longer code, goes."""
    inside = next((group for group in match.groups() if group is not None), "")
    if len(inside.split()) > MAX_QUOTED_WORDS or FIRST_PERSON.search(inside):
        return DROPPED
    return inside


def _sentences(prose: str) -> list[str]:
    """Split at ends of sentences and lines, but not after abbreviations."""
    sentences = [""]
    for part in SENTENCE_BREAK.split(prose):
        before = sentences[-1]
        if ABBREVIATION.search(before) or (INITIAL.search(before) and SURNAME.match(part)):
            sentences[-1] = f"{before} {part}"
        else:
            sentences.append(part.strip())
    return [BULLET.sub("", sentence).strip() for sentence in sentences if sentence]


def _stated(raw: str) -> str:
    """Return a sentence that states something, without its end mark; else nothing."""
    asked = REQUEST_TO_REMEMBER.sub("", raw)
    if asked == raw and (raw.rstrip("\"')] ").endswith("?") or QUESTION.match(raw)):
        return ""
    if HYPOTHETICAL.search(asked) and not CONDITIONAL_RULE.match(asked):
        return ""
    if DROPPED in asked or "?" in asked.rstrip("?. "):
        return ""
    return " ".join(asked.rstrip(" .!?\u2026;:").split())
