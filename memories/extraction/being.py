"""`I'm …`, `I have …`, `I was born …`: who the user is, and what happened to them."""

import re

from memories.extraction.findings import TROUBLE, Clause, Finding, clean_value, compiled, match
from memories.extraction.keys import key, slug
from memories.extraction.voice import sentence, singular, third_person
from memories.models import Category

AM = compiled(
    r"(?P<who>i|we)\s+(?:am|are)(?P<not>\s+not|\s+no\slonger)?"
    r"(?:\s+(?:also|currently|actually|really|now|still|originally))*\s+(?P<rest>.+)"
)
HAVE = compiled(
    r"""(?:i|we)\s+(?:also\s+|do\s+not\s+|no\slonger\s+)*have\s+(?P<rest>
    (?:an?|no|one|two|three|four|five|six|\d+)\s(?:[\w-]+\s){0,3}?(?P<noun>
    dogs?|cats?|pets?|kids?|child(?:ren)?|sons?|daughters?|twins|brothers?|sisters?|siblings?|wife
    |husband|partner|girlfriend|boyfriend|car|bike|motorcycle|garden|house|apartment|boat|horses?
    |allergy|allergies|intolerance|degree|phd|doctorate|diploma|certification|dyslexia|visa)\b.*
    |(?P<condition>diabetes|asthma|adhd|dyslexia|celiac\sdisease|migraines|epilepsy)\b.*)"""
)
BORN = compiled(r"i\s+was\s+born\s+(?P<where>in|on|at|near)\s+(?P<value>.+)")
NOT_KINDS = re.compile(
    r"^an?\s+(?:bit|little|lot|idiot|newbie here|fool|few|tad|mess|couple)\b", re.IGNORECASE
)
PROFESSION = re.compile(
    r"\b(?:engineer|developer|programmer|designer|manager|teacher|doctor|nurse|lawyer|student"
    r"|architect"
    r"|scientist|researcher|analyst|consultant|accountant|writer|journalist|editor|artist|musician"
    r"|founder|freelancer|contractor|director|professor|administrator|admin|chef|pilot|physician"
    r"|therapist|electrician|carpenter|plumber|mechanic|pharmacist|dentist|translator|photographer"
    r"|ceo|cto|cfo|coo|vp|sre|dba|intern|paralegal|librarian|officer|realtor|barista|farmer)\b",
    re.IGNORECASE,
)
FEATURES = (
    (
        re.compile(r"(?:from|originally from)\s+(?P<value>(?-i:[A-Z]).+)", re.IGNORECASE),
        "user.origin",
        0.85,
    ),
    (
        re.compile(r"(?:based|living|located)\s+(?:in|at|near)\s+(?P<value>.+)", re.IGNORECASE),
        "user.home.location",
        0.90,
    ),
    (re.compile(r"(?:called|named)\s+(?P<value>.+)", re.IGNORECASE), "user.name", 0.95),
    (re.compile(r"(?P<value>\d{1,3})(?:\s+years?\s+old)?$", re.IGNORECASE), "user.age", 0.85),
    (
        re.compile(
            r"(?P<value>single|married|divorced|engaged|widowed|separated)(?:\b.*)?$", re.IGNORECASE
        ),
        "user.marital.status",
        0.90,
    ),
    (
        re.compile(r"(?P<value>(?:left|right)-handed|ambidextrous)$", re.IGNORECASE),
        "user.handedness",
        0.90,
    ),
    (
        re.compile(
            r"(?P<value>(?:an? )?(?:strict )?(?:vegetarian|vegan|pescatarian"
            r"|omnivore))$",
            re.IGNORECASE,
        ),
        "user.diet",
        0.90,
    ),
)
OPEN_FEATURES = (
    (re.compile(r"allergic\s+to\s+(?P<value>.+)", re.IGNORECASE), "user.allergic", 0.95),
    (
        re.compile(r"(?:intolerant\s+(?:to|of))\s+(?P<value>.+)", re.IGNORECASE),
        "user.intolerant",
        0.90,
    ),
    (
        re.compile(r"(?:responsible\s+for|in\s+charge\s+of)\s+(?P<value>.+)", re.IGNORECASE),
        "user.charge",
        0.85,
    ),
    (re.compile(r"(?:interested\s+in|into)\s+(?P<value>.+)", re.IGNORECASE), "user.likes", 0.75),
    (
        re.compile(r"(?:a\s+(?:big\s+|huge\s+)?fan\s+of|fond\s+of)\s+(?P<value>.+)", re.IGNORECASE),
        "user.likes",
        0.85,
    ),
    (re.compile(r"(?:fluent\s+in)\s+(?P<value>.+)", re.IGNORECASE), "user.speak", 0.90),
)
NAME = re.compile(r"(?-i:[A-Z])[\w'-]+(?:\s(?-i:[A-Z])[\w'-]+){0,2}$")
NATIONALITY = re.compile(
    r"(?:american|argentin(?:e|ian)|australian|austrian|belgian|brazilian|british|bulgarian"
    r"|canadian"
    r"|chilean|chinese|colombian|croatian|cuban|czech|danish|dutch|egyptian|english|estonian"
    r"|ethiopian"
    r"|filipino|filipina|finnish|french|german|ghanaian|greek|hungarian|icelandic|indian|indonesian"
    r"|iranian|iraqi|irish|israeli|italian|jamaican|japanese|kenyan|korean|latvian|lebanese"
    r"|lithuanian"
    r"|malaysian|mexican|moroccan|nepali|nigerian|norwegian|pakistani|peruvian|polish|portuguese"
    r"|romanian|russian|scottish|serbian|singaporean|slovak|slovenian|spanish|swedish|swiss|syrian"
    r"|taiwanese|thai|tunisian|turkish|ukrainian|venezuelan|vietnamese|welsh)$",
    re.IGNORECASE,
)
EVENTS = frozenset(
    "visited went met bought moved started finished joined left quit married graduated adopted"
    " sold launched shipped released signed booked flew travelled traveled ran hired got had"
    " submitted published won passed presented attended completed turned celebrated gave broke"
    " saw".split()
)
PLANS = frozenset(
    "flying travelling traveling visiting starting moving getting leaving presenting having"
    " attending meeting joining marrying launching taking going hosting giving".split()
)
EVENT = compiled(
    r"(?P<who>i|we)\s+(?P<aux>(?:have(?!\s+(?:an?|my|our|the)\b)|am|are|will(?:\sbe)?)\s+)?(?:just\s+|also\s+|finally\s+)*"
    r"(?P<verb>[a-z]+)\s+(?P<rest>.+)"
)
APPOINTMENT = re.compile(
    r"^(?:an?|my|our|the)\s+(?:[\w'-]+\s){0,3}(?:flight|appointment|meeting|interview|exam"
    r"|deadline|trip"
    r"|wedding|surgery|party|presentation|call|class|date|conference|vacation)\b",
    re.IGNORECASE,
)


def is_somebody(clause: Clause) -> list[Finding]:
    """Understand `I'm a nurse`, `I'm from Rome`, `I'm not a vegetarian`."""
    found = match(AM, clause)
    rest = clean_value(found["rest"]) if found else ""
    if not found or not rest or TROUBLE.search(clause.text):
        return []
    who = "the user's team" if found["who"].lower() == "we" else "the user"
    told = sentence(f"{who} is{found['not'].lower()} {third_person(rest)}")
    for pattern, about, confidence in FEATURES:
        if feature := pattern.match(rest):
            place = "user.team.location" if "team" in who and "location" in about else about
            return [_feature(told, place, confidence, found["not"], feature["value"])]
    for pattern, about, confidence in OPEN_FEATURES:
        if feature := pattern.match(rest):
            label = Category.PREFERENCE if about == "user.likes" else Category.FACTUAL
            return [Finding(told, label, confidence, key(about, feature["value"]))]
    return _kind(rest, told, found["not"])


def _feature(told: str, about: str, confidence: float, negation: str, value: str) -> Finding:
    if negation:
        return Finding(told, Category.FACTUAL, 0.80, replaces=(about,), retracts=value)
    return Finding(told, Category.FACTUAL, confidence, about)


def _kind(rest: str, told: str, negation: str) -> list[Finding]:
    if NATIONALITY.match(rest):
        return [_feature(told, "user.nationality", 0.85, negation, rest)]
    if NAME.match(rest) and not negation:
        return [Finding(told, Category.FACTUAL, 0.75, "user.name")]
    article = re.match(r"(?:an?|the)\s+(?P<kind>.+)", rest, re.IGNORECASE)
    if not article or NOT_KINDS.match(rest):
        return []
    if PROFESSION.search(rest):
        return [_feature(told, "user.occupation", 0.90, negation, article["kind"])]
    if rest.lower().startswith("the "):
        return []
    return [Finding(told, Category.FACTUAL, 0.80, key("user.is", article["kind"]))]


def has(clause: Clause) -> list[Finding]:
    """Understand `I have two kids` and `I have asthma`."""
    found = match(HAVE, clause)
    if not found:
        return []
    negation = re.match(r"(?:i|we)\s+(do not|no longer)\s", clause.text, re.IGNORECASE)
    verb = {"do not": "does not have", "no longer": "no longer has"}.get(
        negation[1].lower() if negation else "", "has"
    )
    about = key("user.has", (found["noun"] or found["condition"]).rstrip("s"))
    content = sentence(f"The user {verb} {third_person(clean_value(found['rest']))}")
    return [Finding(content, Category.FACTUAL, 0.85, about)]


def born(clause: Clause) -> list[Finding]:
    """Understand `I was born in Oslo` and `I was born on 3 May 1990`."""
    found = match(BORN, clause)
    if not found:
        return []
    is_date = found["where"].lower() == "on" or bool(re.search(r"\d", found["value"]))
    about = "user.birthday" if is_date else "user.birthplace"
    content = sentence(f"The user was born {found['where'].lower()} {third_person(found['value'])}")
    return [Finding(content, Category.FACTUAL, 0.95, about)]


def happened(clause: Clause) -> list[Finding]:
    """Understand what happened, or will, on a day: `I met Ana on 2026-11-21`."""
    found = match(EVENT, clause)
    if not found or not clause.has_date or TROUBLE.search(clause.text):
        return []
    verb, aux = found["verb"].lower(), " ".join(found["aux"].lower().split())
    appointment = verb == "have" and not aux and APPOINTMENT.match(found["rest"])
    planned = aux in {"am", "are", "will be"} and verb in PLANS
    if not (appointment or planned or (aux in {"", "have"} and verb in EVENTS)):
        return []
    who = "the user's team" if found["who"].lower() == "we" else "the user"
    verbs = f"{singular(aux) if aux else ''} {singular(verb) if appointment else verb}"
    content = sentence(f"{who} {verbs} {third_person(clean_value(found['rest']))}")
    return [Finding(content, Category.EPISODIC, 0.75)] if slug(found["rest"]) else []
