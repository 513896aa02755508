"""`I live in …`, `we use …`, `I never …`: what the user does, likes and is."""

import re

from memories.extraction.findings import TROUBLE, Clause, Finding, clean_value, compiled, match
from memories.extraction.keys import key, preference_key, slug
from memories.extraction.voice import sentence, singular, third_person
from memories.models import Category

FREQUENCY = (
    "always|usually|never|often|typically|normally|generally|mostly|sometimes|rarely|regularly"
)
SOFTENERS = (
    "really|also|currently|still|now|just|already|mainly|primarily|personally|absolutely|only"
)
DOES = compiled(
    rf"""(?P<who>i|we)\s+(?:(?:{SOFTENERS}|recently)\s+)*(?P<perfect>have\s+)?(?:(?:{SOFTENERS}"
    rf"|recently)\s+)*
    (?P<often>(?:{FREQUENCY})\s+)?
    (?P<not>(?:do\s+not|no\s+longer|can\s+not|will\s+not|did\s+not|stopped|quit)\s+)?
    (?:(?:{SOFTENERS}|ever)\s+)*(?P<often2>(?:{FREQUENCY})\s+)?
    (?P<used>used\s+to\s+)?
    (?P<doing>(?:am|are|been)\s+(?:(?:{SOFTENERS})\s+)?(?=\w+ing\b))?
    (?P<verb>[a-z]+(?:-[a-z]+)?)\s*(?P<rest>.*?)
    (?P<anymore>\s+(?:any\s?more|any\slonger))?"""
)
TEAMWORK = frozenset(
    "use deploy host develop work build code program maintain manage ship release test plan".split()
)
PAST = frozenset(
    "felt thought knew saw said went got made took came found gave told left kept held ran lost"
    " paid met sent spent stood taught won wrote broke brought bought built caught chose did"
    " drew drove ate fell fought flew grew heard led rode rose sang sat slept spoke swam wore"
    " woke was were".split()
)
LIKING = frozenset("like love enjoy adore prefer hate dislike detest loathe stand".split())
PLACES = frozenset({"live", "reside"})
FACT_VERBS = frozenset(
    "use speak own drive play study teach manage lead maintain eat drink smoke wear collect"
    " commute volunteer deploy host develop code program report belong celebrate practice"
    " practise ride sing paint cook bake garden learn build".split()
)
NOT_HABITS = frozenset(
    "want need think wonder get see forget wish hope know guess try mean ask tell thought said"
    " have been had be am wanted".split()
)
SPLITTABLE = re.compile(
    r"\s+(?:for|in|on|with|to|because|when|at|from|over|than|instead|rather|as|since|who|that)\b"
)
IN_CODE = re.compile(
    r"\b(?:loop|function|script|query|variable|method|class|code|command|regex|hook|array|list"
    r"|dict\w*"
    r"|string|snippet|line|parameter|argument|import|the following|this|that|these|those)\b",
    re.IGNORECASE,
)
MOVED = compiled(
    r"(?:i|we)\s+(?:have\s+|just\s+|recently\s+|now\s+)*moved\s+(?:back\s+)?"
    r"(?:from\s+(?P<old>.+?)\s+)?to\s+(?P<new>(?-i:[A-Z])[\w' -]*(?:,\s(?-i:[A-Z])[\w' -]+)?.*)"
)
SWITCHED = compiled(
    r"""(?P<who>i|we)\s+(?:have\s+|just\s+|recently\s+|now\s+)*
    (?P<verb>switched|moved|migrated|changed|transitioned|converted)\s+(?:over\s+)?
    (?:from\s+(?P<old>.+?)\s+to\s+(?P<new>.+)|to\s+(?P<new2>.+?)(?:\s+from\s+(?P<old2>.+))?)"""
)
TOOLS = frozenset(
    "python go golang rust java kotlin swift ruby php javascript typescript node deno bun react"
    " vue svelte angular django flask rails spring linux ubuntu debian fedora arch mac macos"
    " windows vim neovim emacs vscode postgres postgresql mysql sqlite mongodb redis kafka"
    " docker kubernetes aws gcp azure github gitlab jira slack firefox chrome".split()
)
LIST_BREAK = re.compile(r"\s*,\s*(?:and\s+|or\s+)?|\s+and\s+|\s+or\s+")
NOT_LISTED = re.compile(
    r"(?:especially|particularly|both|all|not|mostly|even|other|such)\b", re.IGNORECASE
)
SHORT_WORDS = 3
FOR = re.compile(
    r"^(?P<tool>.+?)\s+for\s+(?P<purpose>(?!\w+\s(?:days|weeks|months|years)|years|ages|now"
    r"|a while).+)$",
    re.IGNORECASE,
)


def does(clause: Clause) -> list[Finding]:
    """Understand `I verb …`, with its frequency and negation."""
    found = match(DOES, clause)
    if not found or TROUBLE.search(clause.text):
        return []
    act = Act(found)
    if act.base in LIKING:
        return _likes(act)
    if act.often:
        return _habit(act)
    return [] if act.perfect else _states(act)


def _states(act: "Act") -> list[Finding]:
    if act.base in PLACES or act.base == "work":
        return _place_or_work(act)
    if act.base == "use":
        return _uses(act)
    if act.base in FACT_VERBS and act.rest and not IN_CODE.search(act.rest):
        return [act.finding(Category.FACTUAL, 0.75, key("user", act.base, slug(act.rest)))]
    return []


class Act:
    """One `I verb …` clause, taken apart, and how it is told."""

    def __init__(self, found: dict[str, str]) -> None:
        self.verb = found["verb"].lower()
        self.perfect = bool(found["perfect"]) and not found["doing"]
        self.often = (found["often"] or found["often2"]).strip().lower()
        self.no_longer = bool(found["anymore"]) or found["not"].strip().lower() in {
            "no longer",
            "stopped",
            "quit",
        }
        self.negated = bool(found["not"]) or bool(found["anymore"])
        self.cannot = found["not"].lower().startswith("can")
        self.used_to = bool(found["used"])
        self.doing = bool(found["doing"])
        self.base = _base(self.verb) if self.doing or self.no_longer else self.verb
        self.rest = clean_value(found["rest"])
        together = found["who"].lower() == "we" and self.base in TEAMWORK
        self.who = "the user's team" if together else "the user"

    @property
    def is_past(self) -> bool:
        """Whether it is over, and so ends what was known."""
        return self.used_to or self.no_longer

    def told(self, rest: str | None = None) -> str:
        """Return the clause in the third person."""
        rest = third_person(self.rest if rest is None else rest)
        return sentence(f"{self.who} {self._verb_phrase()} {rest}")

    def finding(
        self, label: Category, confidence: float, about: str, rest: str | None = None
    ) -> Finding:
        """Return what was said; its key is taken over by the next value."""
        return Finding(self.told(rest), label, confidence, about)

    def ending(self, label: Category, about: str, value: str) -> Finding:
        """Return that something holds no more: it ends what was known, and is not its new value."""
        return Finding(self.told(), label, 0.80, replaces=(about,), retracts=value)

    def _verb_phrase(self) -> str:
        often = f"{self.often} " if self.often else ""
        if self.used_to:
            return f"{often}used to {self.verb}"
        if self.no_longer:
            return f"{often}no longer {singular(self.base)}"
        if self.cannot:
            return f"can not {often}{self.base}"
        if self.negated:
            return f"does not {often}{self.base}"
        if self.doing:
            return f"is {often}{self.verb}"
        return f"{often}{singular(self.base)}"


def _base(verb: str) -> str:
    """Undo `-ing`: `using` → `use`, `living` → `live`, `running` → `run`."""
    if not verb.endswith("ing"):
        return verb
    stem = verb[:-3]
    if stem in {"us", "liv", "lik", "lov", "driv", "prefer", "cod", "writ", "smok", "bak", "resid"}:
        return stem if stem == "prefer" else f"{stem}e"
    return stem[:-1] if re.search(r"([bdgmnprt])\1$", stem) else stem


def _likes(act: Act) -> list[Finding]:
    if not slug(act.rest) or act.perfect or (act.base == "stand" and not act.cannot):
        return []
    if re.match(
        r"(?:to (?:know|see|ask|get|have|understand|learn more|thank)|your|how you)\b", act.rest
    ):
        return []
    label = Category.PREFERENCE
    if act.base == "prefer":
        return [act.finding(label, 0.90, f"user.prefers.{preference_key(act.rest)}")]
    return [
        act.finding(label, 0.85, key("user.likes", liked), liked) for liked in _listed(act.rest)
    ]


def _uses(act: Act) -> list[Finding]:
    if not act.rest or IN_CODE.search(act.rest):
        return []
    if purpose := FOR.match(act.rest):
        about = key("user.uses.for", purpose["purpose"])
        if act.negated or act.used_to:
            return [act.ending(Category.FACTUAL, about, purpose["tool"])]
        return [act.finding(Category.FACTUAL, 0.80, about)]
    return [
        act.finding(Category.FACTUAL, 0.80, key("user.uses", tool), tool)
        for tool in _listed(act.rest)
    ]


def _place_or_work(act: Act) -> list[Finding]:
    about = ""
    if act.base in PLACES and re.match(r"(?:in|at|near|on|outside)\b", act.rest):
        about = "user.home.location"
    elif act.base == "work":
        about = _work_key(act.rest)
    if not about:
        return []
    if act.negated or act.used_to:
        value = re.sub(r"^(?:in|at|for|as|near|on|an?)\s+", "", act.rest)
        return [act.ending(Category.FACTUAL, about, value)]
    return [act.finding(Category.FACTUAL, 0.90, about)]


def _work_key(rest: str) -> str:
    preposition, _, value = rest.partition(" ")
    if TOO_VAGUE.match(value):
        return ""
    if preposition in {"at", "for"}:
        return "user.employer"
    if preposition == "as":
        return "user.occupation"
    if preposition == "in":
        return "user.field"
    if preposition in {"on", "with"}:
        return key("user.works", preposition, value)
    return (
        key("user.works", rest) if rest in {"remotely", "from home", "part-time", "nights"} else ""
    )


TOO_VAGUE = re.compile(
    r"^(?:my|our|an?|the|some)?\s*(?:projects?|script|code|thing|something|it)$", re.IGNORECASE
)


def _habit(act: Act) -> list[Finding]:
    past = act.base in PAST or act.base.endswith("ed")
    if act.base in NOT_HABITS or not slug(act.rest) or past or act.perfect:
        return []
    return [act.finding(Category.BEHAVIORAL, 0.80, key("user.habit", act.base, act.rest))]


def moved(clause: Clause) -> list[Finding]:
    """Understand `I moved to Lisbon` and `we switched from A to B`."""
    found = match(MOVED, clause)
    if found and clause.text.lower().startswith("i ") and slug(found["new"]) not in TOOLS:
        value = clean_value(found["new"])
        origin = f"from {found['old']} " if found["old"] else ""
        content = sentence(f"The user moved {origin}to {third_person(value)}")
        return [Finding(content, Category.FACTUAL, 0.85, "user.home.location")]
    if found := match(SWITCHED, clause):
        old, new = (
            clean_value(found["old"] or found["old2"]),
            clean_value(found["new"] or found["new2"]),
        )
        if not new:
            return []
        who = "the user's team" if found["who"].lower() == "we" else "the user"
        origin = f"from {third_person(old)} " if old else ""
        content = sentence(f"{who} {found['verb'].lower()} {origin}to {third_person(new)}")
        replaces = (key("user.uses", old),) if old else ()
        return [Finding(content, Category.FACTUAL, 0.85, key("user.uses", new), replaces)]
    return []


def _listed(text: str) -> list[str]:
    """Split `tea, coffee and milk`, but not what has a purpose or a reason."""
    if SPLITTABLE.search(text):
        return [text]
    parts = [clean_value(part) for part in LIST_BREAK.split(text)]
    if any(not part or len(part.split()) > SHORT_WORDS or NOT_LISTED.match(part) for part in parts):
        return [text]
    return parts
