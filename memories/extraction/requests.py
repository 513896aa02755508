"""`always answer in German`, `please never …`: what the assistant is asked to do from now on."""

import re

from memories.extraction.findings import Clause, Finding, clean_value, compiled, match
from memories.extraction.keys import key
from memories.extraction.voice import sentence, third_person
from memories.models import Category

LASTING = compiled(
    r"""(?:please\s+)?(?:you\s(?:should|must)\s+)?
    (?:(?P<how>always|never|do\snot\sever|make\ssure\s(?:to|you)\salways|be\ssure\sto\salways)\s+
      |(?P<from>from\snow\son|going\sforward|in\s(?:the\s)?future|from\stoday\son)\s*,?\s+(?:please\s+)?
       (?P<how2>always\s+|never\s+|do\snot\s+)?)
    (?P<what>.+)"""
)
REFUSAL = compiled(
    r"""(?:please\s+)?(?:do\snot|stop)\s+(?P<what>(?:us|writ|call|includ|add|mention|ask|answer"
    r"|reply|say
    |apologi[sz]|explain|show|send|giv|suggest|assum|translat|repeat|summari[sz]|address|start|end)
    (?:e|ing|y)?\b.*)"""
)
WANTED = compiled(
    r"""(?:i|we)\s+(?:(?P<no>(?:do|would)\snot\s(?:want|like))|would\slike|want|need|expect|prefer)
    \s+you\s+to\s+(?:(?P<how>always|never|not)\s+|(?(no)(?:ever\s+)?|(?!)))(?P<what>.+)"""
)
REMEMBER_TO = compiled(
    r"(?:please\s+)?remember\s+(?:(?P<how>to\salways|to\snever|not\sto)|to)\s+(?P<what>.+)"
)
NOT_REQUESTS = re.compile(
    r"^(?:mind|have|has|been|had|was|were|is|ever|again|seen|heard)\b$", re.IGNORECASE
)
LANGUAGE = re.compile(
    r"^(?:answer|reply|respond|write|speak|talk"
    r"|communicate)(?:\s+(?:to\s+)?me)?\s+(?:only\s+)?in\s+"
    r"(?:(?:simple|plain|formal|informal)\s+)?(?P<language>(?-i:[A-Z])\w+)",
    re.IGNORECASE,
)
NEGATIVE = frozenset({"never", "do not ever", "do not", "not", "to never", "not to"})


def asks(clause: Clause) -> list[Finding]:
    """Understand a lasting request to the assistant."""
    if found := match(LASTING, clause):
        return _request(found["how"] or found["how2"], found["what"], 0.90)
    if found := match(REMEMBER_TO, clause):
        return _request(found["how"], found["what"], 0.80)
    if found := match(WANTED, clause):
        return _request(found["how"] or "not", found["what"], 0.85)
    if found := match(REFUSAL, clause):
        return _request("not", re.sub(r"^(\w+?)ing\b", _infinitive, found["what"]), 0.75)
    return []


def _request(how: str, what: str, confidence: float) -> list[Finding]:
    how, action = " ".join(how.lower().split()), clean_value(what)
    if (
        not action
        or NOT_REQUESTS.match(action.split()[0])
        or action.lower().startswith(("i ", "we "))
    ):
        return []
    word = ""
    if how in NEGATIVE:
        word = "not " if how in {"do not", "not", "not to"} else "never "
    elif "always" in how:
        word = "always "
    language = LANGUAGE.match(action)
    about = (
        "assistant.language" if language and not how.startswith("n") else key("assistant", action)
    )
    content = sentence(f"The assistant should {word}{third_person(action)}")
    return [Finding(content, Category.PROCEDURAL, confidence, about)]


def _infinitive(found: re.Match[str]) -> str:
    stem = found[1]
    return (
        f"{stem}e" if stem.lower() in {"us", "writ", "includ", "giv", "assum", "translat"} else stem
    )
