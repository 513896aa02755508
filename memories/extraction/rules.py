"""The bundled extractor: deterministic rules over what the user states, no network (ADR 0036).

Each sentence is cut into clauses and each clause offered to the rules in order; the first that
understands it wins. It would rather miss a fact than invent one.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

from memories.extraction import being, facts, person, requests
from memories.extraction.base import CandidateMemory, TurnText
from memories.extraction.dates import resolve_dates
from memories.extraction.findings import Clause, Finding
from memories.extraction.sentences import Sentence, statements
from memories.extraction.voice import expand, sentence, third_person
from memories.models import Category

MAX_PER_TURN = 10
MAX_TURN_CHARACTERS = 10_000
MAX_CLAUSE_CHARACTERS = 400
MIN_EXPLICIT_WORDS = 4
UNSURE = 0.55

Rule = Callable[[Clause], list[Finding]]
RULES: tuple[Rule, ...] = (
    requests.asks,
    facts.name,
    facts.own,
    facts.somebodys,
    person.moved,
    being.is_somebody,
    being.has,
    being.born,
    being.happened,
    person.does,
)
OPENING = re.compile(
    r"^(?:(?:hi|hello|hey)(?: there| all| team)?|good (?:morning|evening|afternoon)|ok(?:ay)?|so"
    r"|well"
    r"|also|and|but|oh|yes|yeah|yep|no|nope|sure|thanks(?: a lot)?|thank you(?: so much)?|great"
    r"|cool"
    r"|nice|btw|by the way|fyi|just so you know|so you know|for the record"
    r"|for (?:future )?reference"
    r"|for context|as (?:you know|i said|i mentioned)|in fact|to be clear|basically|honestly"
    r"|personally|actually|correction|sorry|update|quick (?:update|note|correction)|one more thing"
    r"|additionally|besides|then|anyway|oops|wait|my bad|nowadays|these days|currently|plus)"
    r"(?:\s*[,:;!.\u2013\u2014-]+\s*|\s+)(?=\S)",
    re.IGNORECASE,
)
CORRECTING = re.compile(
    r"\b(?:actually|no|nope|sorry|correction|oops|wait|my bad)\b", re.IGNORECASE
)
EXPLICIT = re.compile(
    r"^(?:please\s+|and\s+)?(?:(?:remember|note|keep in mind|bear in mind|do not forget|make a note"
    r"|take note|be aware|i want you to (?:know|remember)|you should (?:know|remember))"
    r"(?:\s+that\b|(?:\s+(?:this|these|the following))?\s*[:,]|\s+(?!to\b|not to\b))"
    r"|please know that)\s*",
    re.IGNORECASE,
)
UNSURELY = re.compile(
    r"^i (?:think|believe|guess|suppose|assume)(?: that)?\s+(?=my|our|i\b|we\b)", re.IGNORECASE
)
AFTERTHOUGHT = re.compile(
    r"\s+[-\u2013\u2014]\s+|,?\s+(?:and|but|so|as)\s+(?:it|that|this|they|there)\b"
    r"|,\s+(?:it|they|'cause|cause|because|since|so)\b|\s+(?:because|'cause)\s",
    re.IGNORECASE,
)
LEADING_DATE = re.compile(
    r"^(?P<when>(?:on|in|around)\s[^,]*?\d{4}(?:-\d\d-\d\d)?)\s*,?\s+(?P<rest>(?:i|we|my"
    r"|our)\b.*)$",
    re.IGNORECASE,
)
CHATTER = re.compile(
    r"^(?:the|this|that|these|those)?\s*(?:code|above|below|following|it)\b", re.IGNORECASE
)


class RulesExtractor:
    """Finds durable facts by rules; the same turns always give the same candidates."""

    version = "rules-1"

    def extract(self, turns: Sequence[TurnText]) -> list[CandidateMemory]:
        """Return at most 10 candidates a turn, in the order in which they were said."""
        return [candidate for turn in turns for candidate in self._extract(turn)]

    def pause(self) -> timedelta | None:
        """Return None: rules are never away."""
        return None

    def _extract(self, turn: TurnText) -> list[CandidateMemory]:
        found: dict[str, Finding] = {}
        previous: Finding | None = None
        for stated in statements(turn.text[:MAX_TURN_CHARACTERS]):
            for finding in _understand(stated, turn, previous):
                found.setdefault(finding.content, finding)
                previous = finding
        return [_candidate(finding, turn) for finding in list(found.values())[:MAX_PER_TURN]]


def _understand(stated: Sentence, turn: TurnText, previous: Finding | None) -> list[Finding]:
    findings: list[Finding] = []
    whole = _read(stated.text, turn)
    for text in stated.clauses:
        clause = _read(text, turn, explicitly=whole.is_explicit)
        found = _apply_rules(clause, findings[-1] if findings else previous)
        findings += [_place(finding, clause) for finding in found]
    if not findings and whole.is_explicit:
        return _as_said(whole)
    return findings


def _read(text: str, turn: TurnText, *, explicitly: bool = False) -> Clause:
    """Strip how a clause begins, write contractions out, resolve its dates."""
    expanded = expand(text)
    text = _strip_opening(expanded)
    corrects = CORRECTING.search(expanded[: len(expanded) - len(text)]) is not None
    bare = EXPLICIT.sub("", text)
    sure = UNSURELY.sub("", bare)
    dated, has_date = resolve_dates(_strip_opening(sure), turn.said_at.date())
    leading = LEADING_DATE.match(dated)
    when, rest = (leading["when"], leading["rest"]) if leading else ("", dated)
    return Clause(
        AFTERTHOUGHT.split(rest)[0].strip(),
        is_explicit=explicitly or bare != text,
        is_unsure=sure != bare,
        is_correction=corrects,
        has_date=has_date,
        when=when,
        whole=dated.strip(),
    )


def _strip_opening(text: str) -> str:
    before = None
    while text != before:
        before, text = text, OPENING.sub("", text)
    return text


def _apply_rules(clause: Clause, previous: Finding | None) -> list[Finding]:
    if len(clause.text) > MAX_CLAUSE_CHARACTERS:
        return []
    if corrected := facts.correction(clause, previous):
        return corrected
    for rule in RULES:
        if found := rule(clause):
            return found
    return []


def _as_said(clause: Clause) -> list[Finding]:
    """Keep what the user asked to remember, in their words, when no rule understands it."""
    if len(clause.whole.split()) < MIN_EXPLICIT_WORDS or CHATTER.match(clause.whole):
        return []
    told = re.sub(r"^(?:my|our)\b", "the user's", clause.whole, flags=re.IGNORECASE)
    told = re.sub(r"^(?:i|we) (?:am|are)\b", "the user is", told, flags=re.IGNORECASE)
    told = re.sub(r"^(?:i|we)\b", "the user", told, flags=re.IGNORECASE)
    return [Finding(sentence(third_person(told)), Category.FACTUAL, 0.85)]


def _place(finding: Finding, clause: Clause) -> Finding:
    """Put a leading date in front again, and doubt what was only believed."""
    if clause.when:
        told = f"{clause.when}, {finding.content[0].lower()}{finding.content[1:]}"
        finding = replace(finding, content=sentence(told))
    return replace(finding, confidence=UNSURE) if clause.is_unsure else finding


def _candidate(finding: Finding, turn: TurnText) -> CandidateMemory:
    return CandidateMemory(
        content=finding.content,
        labels={str(finding.label): finding.confidence, **finding.others},
        confidence=finding.confidence,
        subject_key=finding.key,
        valid_from=turn.said_at,
        source_turns=(turn.turn_id,),
        replaces=finding.replaces,
        retracts=finding.retracts,
    )
