"""Fills an organization of its own with more rows than a page shows: nobody else's counts change.

`gather` in `tests/browser/crowd.py` has a process of the running stack call `fill`.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.utils import timezone

from agents.models import Agent
from agents.services import create_agent
from ibex.ids import uuid7
from ibex.tenancy import tenant
from memories.indexing.searchability import count_words, publish
from memories.indexing.text import content_hash
from memories.models import Category, Memory, MemoryLabel
from memories.writing.history import record_creation
from orgs.audit import Actor
from orgs.members import add_member
from orgs.models import Membership, Operator
from orgs.permissions import ALL, CHAT
from orgs.services import create_organization, issue_token
from sessions.models import Session

TESTS = Actor.system("tests")
WIDTHS = {1440: 1000, 390: 844}
"""How wide a window is, and how high."""
CLERKS = 104
VISITS = 110
SHIPMENTS = 70
LETTERS = 520
"""For each width: more than are changed while the browser waits."""


def fill() -> dict[str, Any]:
    """Make the organization, its owner, a token, its agents and all they have."""
    mark, password = uuid7().hex[-10:], uuid7().hex
    org = create_organization(name="Crowd", slug=f"crowd-{mark}", actor=TESTS)
    owner = Operator.objects.create_user(f"crowd-{mark}@example.com", password, name="Carol")
    add_member(org=org, operator=owner, role=Membership.Role.OWNER, actor=TESTS)
    _row, token = issue_token(org=org, name="Crowd", permissions=CHAT, held=ALL, actor=TESTS)
    names = ["Concierge", "Archivist", *(f"Postman {width}" for width in WIDTHS)]
    names += [f"Clerk {number:03}" for number in range(CLERKS)]
    agents = {}
    for place, name in enumerate(names):
        slug, scope = name.lower().replace(" ", "-"), "subject" if place % 2 else "agent"
        agents[name] = create_agent(org=org, name=name, slug=slug, memory_scope=scope, actor=TESTS)
    with tenant(org):
        _receive(agents["Archivist"])
        _shelve(agents["Archivist"])
        for width in WIDTHS:
            Memory.objects.bulk_create(_told(agents[f"Postman {width}"], "Letter", LETTERS))
    return {
        "email": owner.email,
        "password": password,
        "token": token,
        "agents": {name: str(agent.pk) for name, agent in agents.items()},
    }


def _receive(agent: Agent) -> None:
    """End sessions, half of them with the same visitor, all but four as they should."""
    now = timezone.now()
    status = Session.Status
    Session.objects.bulk_create(
        Session(
            org_id=agent.org_id,
            agent=agent,
            external_id=f"visit-{number:03}",
            subject="visitor" if number % 2 else None,
            status=status.ABANDONED if number < 4 else status.COMPLETED,
            turn_count=number,
            created_at=now - timedelta(minutes=number),
            last_turn_at=now - timedelta(minutes=number),
        )
        for number in range(VISITS)
    )


def _shelve(agent: Agent) -> None:
    """Remember shipments that words find, each seventh of another kind."""
    for number, memory in enumerate(_told(agent, "Shipment", SHIPMENTS)):
        memory.category = Category.FACTUAL if number % 7 else Category.PREFERENCE
        count_words(memory, memory.content)
        memory.save(force_insert=True)
        publish(memory)
        labels = {memory.category: 1.0}
        MemoryLabel.objects.create(org_id=agent.org_id, memory=memory, label=memory.category)
        record_creation(memory, labels, actor=TESTS)


def _told(agent: Agent, noun: str, count: int) -> Iterator[Memory]:
    """Word memories, each learned a minute before the one that came last."""
    now = timezone.now()
    for number in range(count):
        content = f"{noun} number {number:03} waits in row {number % 10}."
        moment = now - timedelta(minutes=number)
        yield Memory(
            org_id=agent.org_id,
            agent=agent,
            content=content,
            content_hash=content_hash(content),
            created_at=moment,
            valid_from=moment,
            observed_at=moment,
        )
