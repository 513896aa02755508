"""Filling the demo's organization: agents, directives, conversations, and what came of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from random import Random

from agents.models import Agent
from agents.services import create_agent
from directives.services import push_directive
from ibex.demo.clock import at
from ibex.demo.organization import DEMO
from ibex.demo.recording import record_conversation
from ibex.demo.story import DAYS, SEED, Conversation, conversations, fill, statements
from ibex.demo.texts import DISPUTED, HOSTILE, ROLES, Role
from ibex.tenancy import tenant
from memories import services
from memories.learning.steps import learn_from_session
from memories.models import Memory
from orgs.models import Organization
from sessions.models import Session
from sessions.services import complete_session

KNOWLEDGE = 250
"""What operators wanted to tell each agent, at scale 1; some of it twice."""
FATES: tuple[tuple[float, str], ...] = (
    (0.020, "pin"),
    (0.025, "archive"),
    (0.030, "delete"),
    (0.100, "positive"),
    (0.030, "negative"),
    (0.010, "neutral"),
)
"""What becomes of which share of the memories, after they were learned."""
REASONS = ("No longer sold", "Told twice", "Asked for by the customer", "Out of date")

TOLD_AT_ONCE = 25
"""Statements that one step imports."""

Say = Callable[[str], None]
Step = Callable[[], None]


@dataclass(frozen=True)
class Told:
    """One statement that an operator imported, and when."""

    content: str
    when: datetime
    source: str
    category: str
    confidence: float
    tags: list[str]


@dataclass
class Filling:
    """The organization, the real time from which its story is told backwards, and how much."""

    org: Organization
    now: datetime
    scale: float
    say: Say

    def run(self) -> None:
        """Fill the organization, in the order in which things happened."""
        steps = self.steps()
        for number, step in enumerate(steps, start=1):
            step()
            if number % 40 == 0 or number == len(steps):
                self.say(f"{number} of {len(steps)} steps.")

    def steps(self) -> list[Step]:
        """Return what is to be done, a few seconds each: the same for the same `now` and `scale`.

        So who was stopped goes on from a number, in another process too, if each step and the note
        that it was done are one transaction.
        """
        return [
            *[partial(self._make_agent, role) for role in ROLES],
            *[partial(self._tell, *told) for role in ROLES for told in self._told(role)],
            *[partial(self._hold, one) for one in conversations(self.now, scale=self.scale)],
            self._dispute,
            *[partial(self._decide_fates, role) for role in ROLES],
        ]

    def _make_agent(self, role: Role) -> None:
        with at(self.now - timedelta(days=DAYS + 10)):
            agent = create_agent(
                org=self.org,
                name=role.name,
                slug=role.slug,
                description=role.description,
                memory_scope=role.memory_scope,
                default_model=role.model,
                actor=DEMO,
            )
        for (content, reason), pushed in zip(role.directives, self._pushes(role), strict=True):
            with at(pushed):
                push_directive(agent=agent, content=content, reason=reason, actor=DEMO)

    def _pushes(self, role: Role) -> list[datetime]:
        """Return when each version of an agent's directive was pushed."""
        first = self.now - timedelta(days=DAYS + 10) + timedelta(hours=1)
        return [first + n * timedelta(days=DAYS / 4.3) for n in range(len(role.directives))]

    def _agent(self, role: Role) -> Agent:
        with tenant(self.org):
            return Agent.objects.get(org=self.org, slug=role.slug)

    def _told(self, role: Role) -> list[tuple[Role, list[Told]]]:
        """Draw what operators import before anybody asks, because the shop knows it anyway."""
        random = Random(f"{SEED}-{role.slug}")  # noqa: S311 - a story, not a secret
        told = [
            Told(
                content,
                self.now - timedelta(days=DAYS, minutes=random.uniform(0, 9_000)),
                random.choice([Memory.Source.USER_PROVIDED, Memory.Source.IMPORTED]),
                random.choice(["factual", "factual", "procedural"]),
                round(random.uniform(0.7, 1.0), 2),
                random.sample(["catalogue", "handbook", "2026"], random.randint(0, 2)),
            )
            for content in statements(random, role.knowledge, self._some(KNOWLEDGE))
        ]
        return [(role, told[n : n + TOLD_AT_ONCE]) for n in range(0, len(told), TOLD_AT_ONCE)]

    def _tell(self, role: Role, told: list[Told]) -> None:
        agent = self._agent(role)
        for one in told:
            with at(one.when):
                services.write_memory(
                    agent=agent,
                    content=one.content,
                    source=one.source,
                    category=one.category,
                    confidence=one.confidence,
                    tags=one.tags,
                    actor=DEMO,
                )

    def _hold(self, conversation: Conversation) -> None:
        """Record a conversation, learn from it, and end it, each when it happened."""
        agent = self._agent(conversation.role)
        version = sum(pushed <= conversation.begins for pushed in self._pushes(conversation.role))
        with at(conversation.begins):
            session_id = record_conversation(agent, conversation, version or None)
        with at(conversation.ends + timedelta(seconds=4)):
            learn_from_session(org_id=agent.org_id, session_id=session_id)
        if conversation.ending is None:
            return
        waited = timedelta(minutes=30 if conversation.ending == "abandoned" else 1)
        with at(conversation.ends + waited):
            with tenant(agent.org_id):
                session = Session.objects.get(pk=session_id)
            complete_session(session=session, actor=DEMO, how=conversation.ending)
            learn_from_session(org_id=agent.org_id, session_id=session_id)

    def _dispute(self) -> None:
        """Leave something to review: what was planted, and what speaks against a pinned fact."""
        random = Random(SEED + 1)  # noqa: S311 - a story, not a secret
        by_slug = {role.slug: role for role in ROLES}
        support, shopping = self._agent(by_slug["support"]), self._agent(by_slug["shopping"])
        for number, content in enumerate(HOSTILE):
            with at(self._recently(random)):
                services.write_memory(
                    agent=support,
                    content=content,
                    subject=f"customer-{1000 + 7 * number}",
                    source=Memory.Source.EXTRACTED,
                    actor=DEMO,
                )
        for key, content in DISPUTED * 3:
            subject_key = fill(random, key).replace(" ", "_").lower()
            for pinned in (True, False):
                with at(self.now - timedelta(days=9 if pinned else 2)):
                    services.write_memory(
                        agent=shopping,
                        content=fill(random, content),
                        subject_key=subject_key,
                        pinned=pinned,
                        actor=DEMO,
                    )

    def _decide_fates(self, role: Role) -> None:
        """Let operators and callers judge some of what an agent learned."""
        random = Random(f"{SEED}-{role.slug}-fates")  # noqa: S311 - a story, not a secret
        for memory in self._active(self._agent(role)):
            fate = _draw(random)
            if fate:
                with at(max(self._recently(random), memory.created_at)):
                    self._decide(memory, fate, random.choice(REASONS))

    def _decide(self, memory: Memory, fate: str, reason: str) -> None:
        match fate:
            case "pin":
                services.edit_memory(memory=memory, actor=DEMO, reason="Always true", pinned=True)
            case "archive":
                services.archive_memory(memory=memory, actor=DEMO, reason=reason)
            case "delete":
                services.delete_memory(memory=memory, actor=DEMO, reason=reason)
            case rating:
                services.record_feedback(memory=memory, rating=rating, actor=DEMO)

    def _active(self, agent: Agent) -> Iterator[Memory]:
        with tenant(agent.org_id):
            rows = Memory.objects.active().filter(agent=agent, pinned=False)
            found = list(rows.order_by("content_hash", "subject"))
        yield from found

    def _recently(self, random: Random) -> datetime:
        return self.now - timedelta(hours=random.uniform(1, 24 * 14))

    def _some(self, many: int) -> int:
        return max(round(many * self.scale), 2)


def _draw(random: Random) -> str:
    """Draw a fate by its share; most memories have none."""
    drawn = random.random()
    for share, fate in FATES:
        if drawn < share:
            return fate
        drawn -= share
    return ""
