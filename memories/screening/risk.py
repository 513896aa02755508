"""How much a text reads like an instruction to the model rather than something to remember.

Each signal is a pattern with a weight; together they make `1 - product of (1 - weight)`: several
weak signs add up, and no text passes 1. Above `QUARANTINE_ABOVE` nothing is ever shown to a model
before an operator has read it. Deterministic, and no model is asked: what is judged here may be
written to talk a model into a wrong judgement (ADR 0034).

What a person asks of their assistant ("always answer in German") weighs little: it is a memory.
"""

import re
import unicodedata

from memories.screening.signals import HIDDEN_TAGS, HIDDEN_TEXT, SIGNALS

QUARANTINE_ABOVE = 0.70
MAX_JUDGED_CHARACTERS = 20_000
INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
TAG_CHARACTERS = re.compile("[\U000e0000-\U000e007f]")
BLANKS = re.compile(r"[^\S\n]+")


def injection_risk(text: str) -> float:
    """Return the risk, 0 to 1 rounded to 2 places, that `text` is an injected instruction."""
    harmless = 1.0
    for _name, weight in found_signals(text):
        harmless *= 1 - weight
    return round(1 - harmless, 2)


def found_signals(text: str) -> list[tuple[str, float]]:
    """Name the signals in `text` with their weights: what an operator is shown as the reason.

    Only the first and the last 20,000 characters are judged.
    """
    if len(text) > 2 * MAX_JUDGED_CHARACTERS:
        text = text[:MAX_JUDGED_CHARACTERS] + "\n" + text[-MAX_JUDGED_CHARACTERS:]
    visible = INVISIBLE.sub("", text)
    plain = unicodedata.normalize("NFKC", visible).replace("\u2019", "'").lower()
    plain = BLANKS.sub(" ", plain)
    found = [(s.name, s.weight) for s in SIGNALS if s.pattern.search(plain)]
    if found and visible != text:
        found.append(HIDDEN_TEXT)
    if TAG_CHARACTERS.search(text):
        found.append(HIDDEN_TAGS)
    return found
