"""Filling the demo's organization: agents, directives, conversations, and what came of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
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

Say = Callable[[str], None]


@dataclass
class Filling:
    """One run: the organization, its agents by slug, and the versions of their directives."""

    org: Organization
    now: datetime
    scale: float
    say: Say
    agents: dict[str, Agent] = field(default_factory=dict)
    versions: dict[str, list[datetime]] = field(default_factory=dict)

    def run(self) -> None:
        """Fill the organization, in the order in which things happened."""
        for role in ROLES:
            self._make_agent(role)
        self.say(f"{len(ROLES)} agents with their directives.")
        for role in ROLES:
            self._tell(role)
        self.say("What operators told them.")
        told = conversations(self.now, scale=self.scale)
        for number, conversation in enumerate(told, start=1):
            self._hold(conversation)
            if number % 40 == 0 or number == len(told):
                self.say(f"{number} of {len(told)} conversations.")
        self._dispute()
        self._decide_fates()
        self.say("Reviews, feedback and clearing up.")

    def _make_agent(self, role: Role) -> None:
        born = self.now - timedelta(days=DAYS + 10)
        with at(born):
            agent = create_agent(
                org=self.org,
                name=role.name,
                slug=role.slug,
                description=role.description,
                memory_scope=role.memory_scope,
                default_model=role.model,
                actor=DEMO,
            )
        self.agents[role.slug] = agent
        for number, (content, reason) in enumerate(role.directives):
            pushed = born + timedelta(hours=1) + number * timedelta(days=DAYS / 4.3)
            with at(pushed):
                push_directive(agent=agent, content=content, reason=reason, actor=DEMO)
            self.versions.setdefault(role.slug, []).append(pushed)

    def _tell(self, role: Role) -> None:
        """Let operators import what the shop knows anyway, before anybody asks."""
        random = Random(f"{SEED}-{role.slug}")  # noqa: S311 - a story, not a secret
        for content in statements(random, role.knowledge, self._some(KNOWLEDGE)):
            with at(self.now - timedelta(days=DAYS, minutes=random.uniform(0, 9_000))):
                services.write_memory(
                    agent=self.agents[role.slug],
                    content=content,
                    source=random.choice([Memory.Source.USER_PROVIDED, Memory.Source.IMPORTED]),
                    category=random.choice(["factual", "factual", "procedural"]),
                    confidence=round(random.uniform(0.7, 1.0), 2),
                    tags=random.sample(["catalogue", "handbook", "2026"], random.randint(0, 2)),
                    actor=DEMO,
                )

    def _hold(self, conversation: Conversation) -> None:
        """Record a conversation, learn from it, and end it, each when it happened."""
        agent = self.agents[conversation.role.slug]
        version = sum(p <= conversation.begins for p in self.versions[conversation.role.slug])
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
        support, shopping = self.agents["support"], self.agents["shopping"]
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

    def _decide_fates(self) -> None:
        """Let operators and callers judge some of what was learned."""
        random = Random(SEED + 2)  # noqa: S311 - a story, not a secret
        for agent in self.agents.values():
            for memory in self._active(agent):
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
