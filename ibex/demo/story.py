"""The conversations of the demo, told by a seeded random: the same each time, for any clock."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Literal

from ibex.demo.texts import ACKNOWLEDGED, LEAD_INS, OPENERS, ROLES, THANKS, WORDS, Role

Ending = Literal["completed", "abandoned"]
SEED = 20_261_101
DAYS = 60
SESSIONS = 480
MAX_QUESTIONS = 2
SHARE_ABANDONED = 0.25
SHARE_UNENDED = 0.5
"""Of today's conversations, how many are still going on."""


@dataclass(frozen=True)
class Exchange:
    """What was said and answered; only a question is worth remembering something for."""

    asked: str
    answer: str
    is_question: bool
    after: timedelta


@dataclass(frozen=True)
class Conversation:
    """One session to record."""

    role: Role
    number: int
    subject: str | None
    begins: datetime
    exchanges: tuple[Exchange, ...]
    is_streaming: bool
    ending: Ending | None
    """How it ended; None while it goes on."""

    @property
    def external_id(self) -> str:
        """The name that the shop's own software would give it."""
        return f"{self.role.slug}-{self.number:04d}"

    @property
    def ends(self) -> datetime:
        """When the last answer was given."""
        return self.begins + sum((e.after for e in self.exchanges), timedelta())


def conversations(now: datetime, *, scale: float = 1.0) -> list[Conversation]:
    """Tell `scale` times 480 conversations of the last 60 days, the oldest first."""
    return sorted(_conversations(now, scale), key=lambda conversation: conversation.begins)


def _conversations(now: datetime, scale: float) -> Iterator[Conversation]:
    random = Random(SEED)  # noqa: S311 - a story, not a secret
    count = max(round(SESSIONS * scale), len(ROLES))
    moments = sorted(_moment(random) for _ in range(count))
    for number, ago in enumerate(reversed(moments), start=1):
        role = ROLES[number % len(ROLES)]
        exchanges = tuple(_exchanges(random, role))
        length = sum((exchange.after for exchange in exchanges), timedelta())
        yield Conversation(
            role=role,
            number=number,
            subject=_subject(random, role),
            begins=now - ago - length - timedelta(minutes=35),
            exchanges=exchanges,
            is_streaming=random.random() < 0.6,  # noqa: PLR2004 - most clients stream
            ending=_ending(random, ago),
        )


def fill(random: Random, template: str) -> str:
    """Fill each brace of a template with a word of its kind, never the same word twice."""
    text, used = template, set[str]()
    while "{" in text:
        kind = text[text.index("{") + 1 : text.index("}")]
        word = random.choice([word for word in WORDS[kind] if word not in used])
        used.add(word)
        text = text.replace(f"{{{kind}}}", word, 1)
    return text


def statements(random: Random, templates: tuple[str, ...], draws: int) -> list[str]:
    """Draw statements that do not contradict each other: the last word follows from the others."""
    known: dict[str, str] = {}
    for _ in range(draws):
        head, brace, tail = random.choice(templates).rpartition("{")
        about = fill(random, head)
        known.setdefault(about, fill(random, about + brace + tail))
    return sorted(known.values())


def _moment(random: Random) -> timedelta:
    """Draw how long ago a conversation was: more of late, and by day rather than by night."""
    days = int(DAYS * random.betavariate(1.0, 1.4))
    return timedelta(days=days, minutes=random.triangular(0, 600, 240))


def _subject(random: Random, role: Role) -> str | None:
    """Draw an end user; a few come back often."""
    if not role.subjects:
        return None
    number = min(int(random.expovariate(6.0) * role.subjects), role.subjects - 1)
    return f"customer-{1000 + 7 * number}"


def _ending(random: Random, ago: timedelta) -> Ending | None:
    if ago < timedelta(days=1) and random.random() < SHARE_UNENDED:
        return None
    return "abandoned" if random.random() < SHARE_ABANDONED else "completed"


def _exchanges(random: Random, role: Role) -> Iterator[Exchange]:
    """Tell one conversation: some questions, some facts in passing, perhaps a thank-you."""
    for topic in random.sample(role.topics, random.randint(1, MAX_QUESTIONS)):
        opener = random.choice(OPENERS)
        yield _exchange(random, opener + topic.asked, topic.answer, is_question=True)
        for facts in (1, 2):
            if random.random() < 1 / facts:
                yield _telling(random, role)
        for asked, answer in topic.then:
            if random.random() < 0.5:  # noqa: PLR2004 - a coin
                yield _exchange(random, asked, answer, is_question=True)
    if random.random() < 0.6:  # noqa: PLR2004 - most people say so
        yield _exchange(random, *random.choice(THANKS), is_question=False)


def _telling(random: Random, role: Role) -> Exchange:
    facts = random.sample(role.facts, random.randint(1, 3))
    said = " ".join(_sentence(random.choice(LEAD_INS) + fill(random, fact)) for fact in facts)
    return _exchange(random, said, random.choice(ACKNOWLEDGED), is_question=False)


def _exchange(random: Random, asked: str, answer: str, *, is_question: bool) -> Exchange:
    pause = timedelta(seconds=random.uniform(20, 150))
    return Exchange(fill(random, asked), fill(random, answer), is_question, pause)


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
