"""`my X is Y`, `X's birthday is Y`, `call me X`: what something of the user's is."""

import re

from memories.extraction.findings import Clause, Finding, clean_value, compiled, match
from memories.extraction.keys import key
from memories.extraction.voice import sentence, third_person
from memories.models import Category

ATTRIBUTE = r"(?P<what>[^,;:]{1,70}?)"
BE = r"""(?P<verb>(?:is|are)(?:\snow|\scurrently|\sactually|\salways)?|was|were|will\sbe
    |used\sto\sbe
    |(?:has\s|have\s)?changed\sto|(?:has\s|have\s)?become|became)"""
NOT = r"(?P<not>\snot|\sno\slonger)?"
OWN = compiled(rf"(?:my|our)\s+{ATTRIBUTE}\s+{BE}{NOT}\s*(?:[:=]\s*)?\s(?P<value>.+)")
OWN_SHORT = compiled(r"(?:my|our)\s+(?P<what>[\w-]+(?:\s[\w-]+)?)(?:'s|:|\s=)\s+(?P<value>.+)")
OF = compiled(
    rf"the\s+(?P<part>[\w -]{{1,40}}?)\s+of\s+(?:my|our)\s+{ATTRIBUTE}\s+{BE}{NOT}\s(?P<value>.+)"
)
CHANGED = compiled(
    rf"(?:i|we)\s+(?:have\s+|just\s+|recently\s+)*(?:changed|renamed|updated|switched|set)\s+(?:my"
    rf"|our)\s+"
    rf"{ATTRIBUTE}(?:\s+from\s+(?P<old>.+?))?\s+to\s+(?P<value>.+)"
)
SOMEBODYS = compiled(
    r"""(?P<who>(?-i:[A-Z])[\w-]+(?:\s(?-i:[A-Z])[\w-]+)?)'s\s+
    (?P<what>(?:\w+\s)?(?:birthday|anniversary|email|phone|phone\snumber|address|job|role|title|wife
    |husband|partner|boss|manager|team|office|time\s?zone|name|hometown|allergy|diet))
    \s+(?P<verb>is|are|was|were)\s(?P<value>.+)"""
)
CALL_ME = compiled(
    r"(?:please\s+|just\s+|you\s(?:can|may|should)\s+(?:just\s+)?|(?:people|everyone|friends"
    r"|they)\s+)?"
    r"call(?:s)?\s+me\s+(?P<value>(?!at\b|on\b|when\b|back\b|later\b|if\b|tomorrow\b|a\b"
    r"|an\b)[\w'. -]{1,40})"
)
GO_BY = compiled(r"i\s+go\s+by\s+(?P<value>[\w'. -]{1,40})")
IT_IS = compiled(
    r"(?:no\s+)?(?:it|that)\s(?:is|should\sbe)(?:\snow|\sactually)?\s(?P<value>.+)"
    r"|(?:i\smeant|i\smean|make\sthat|make\sit)\s(?P<value2>.+)"
)

NOT_THINGS = re.compile(
    r"^(?:\w+\s)?(?:questions?|problems?|issues?|guess|point|concerns?|bad|mistake|understanding"
    r"|thoughts?"
    r"|worry|worries|apologies|assumption|hunch|feeling|impression|idea|suggestion|hope|request"
    r"|task"
    r"|query|prompt|input|output|message|code|script|function|program|test|tests|result|results)$",
    re.IGNORECASE,
)
NO_NOUN = re.compile(r"\b(?:and|that|which|who|because|when|if|not|is|am|do|to)\b", re.IGNORECASE)
MAX_WORDS = 6
AMBITION = re.compile(
    r"\b(?:goal|aim|plan|dream|wish|ambition|resolution|mission|hobby)\b", re.IGNORECASE
)
PASSING_STATE = re.compile(
    r"^(?:to\b|that\b|about\b|(?:very |too |so |really |quite )?(?:slow|down|wrong|empty|correct"
    r"|fine|ok"
    r"|okay|ready|done|full|open|closed|busy|late|tired|missing|there|gone|invalid|clear|good|bad"
    r"|great"
    r"|been|so|not|at (?:capacity|risk|its)|under|up|off|on fire)\b)",
    re.IGNORECASE,
)
ACTIVITY = re.compile(r"[a-z]{2,}ing\b")
PREFERENCE_WORDS = re.compile(r"\b(?:favou?rite|preferred|preference|taste)\b", re.IGNORECASE)
PAST = frozenset({"was", "were", "used to be"})


def own(clause: Clause) -> list[Finding]:
    """Understand `my X is Y`, `our X are Y`, `the Z of my X is Y`, `I changed my X to Y`."""
    if found := match(OF, clause):
        return _attribute(f"{found['what']}'s {found['part']}", found)
    if found := match(CHANGED, clause):
        return _attribute(found["what"], {**found, "verb": "is now", "not": ""})
    if found := match(OWN, clause):
        return _attribute(found["what"], found)
    if found := match(OWN_SHORT, clause):
        verb = "are" if re.search(r"[^s]s$", found["what"]) else "is"
        return _attribute(found["what"], {**found, "verb": verb, "not": ""})
    return []


def somebodys(clause: Clause) -> list[Finding]:
    """Understand `Ana's birthday is 3 May`."""
    found = match(SOMEBODYS, clause)
    value = clean_value(found["value"]) if found else ""
    if (
        not found
        or not value
        or found["who"].lower() in {"let", "it", "that", "what", "here", "there"}
    ):
        return []
    content = f"{found['who']}'s {found['what']} {found['verb']} {third_person(value)}"
    return [Finding(sentence(content), confidence=0.85, key=key(found["who"], found["what"]))]


def name(clause: Clause) -> list[Finding]:
    """Understand `call me Al` and `I go by Al`."""
    found = match(CALL_ME, clause) or match(GO_BY, clause)
    value = clean_value(found["value"]) if found else ""
    if not value:
        return []
    content = sentence(f"The user wants to be called {value}")
    return [Finding(content, Category.PREFERENCE, 0.95, key("user", "name", "preferred"))]


def correction(clause: Clause, previous: Finding | None) -> list[Finding]:
    """Understand `actually, it's Z` after `my X is Y`."""
    found = match(IT_IS, clause)
    if not found or previous is None or not previous.attribute:
        return []
    value = found["value"] or found["value2"]
    if not clause.is_correction or value.lower().startswith(("not ", "the ")):
        return []
    return _attribute(previous.attribute, {"verb": "is", "not": "", "value": value})


def _attribute(what: str, found: dict[str, str]) -> list[Finding]:
    what, value = what.strip(), clean_value(found["value"])
    if not value or NOT_THINGS.match(what) or NO_NOUN.search(what) or len(what.split()) > MAX_WORDS:
        return []
    if _is_passing(what, value):
        return []
    verb = " ".join(found["verb"].lower().split())
    about = key("user", re.sub(r"'s\b", "", what))
    label = Category.PREFERENCE if PREFERENCE_WORDS.search(what) else Category.FACTUAL
    is_so = f"{_tense(verb)}{found['not'].lower()}"
    text = f"the user's {third_person(what)} {is_so} {third_person(value)}"
    if found["not"]:
        return [Finding(sentence(text), label, 0.80, replaces=(about,), retracts=value)]
    if verb in PAST:
        return [Finding(sentence(text), label, 0.70)]
    return [Finding(sentence(text), label, 0.90, about, attribute=what)]


def _is_passing(what: str, value: str) -> bool:
    """Tell a state of things from a lasting value: `my app is crashing`, `my goal is to …`."""
    if AMBITION.search(what) or PREFERENCE_WORDS.search(what):
        return bool(re.match(r"(?:that|about)\b", value))
    return bool(PASSING_STATE.match(value) or ACTIVITY.match(value))


def _tense(verb: str) -> str:
    """Leave out what ages: `is now` is `is`, and so is what something has changed to."""
    if verb in PAST or verb == "will be":
        return verb
    return "are" if verb.startswith(("are", "have")) else "is"
