"""The console's routes, an organization with something to look at, and no embedder unless asked."""

from dataclasses import dataclass
from typing import Any

import pytest

from directives.models import DirectiveVersion
from directives.services import push_directive
from ibex.ids import uuid7
from ibex.tenancy import tenant
from memories.learning.recalls import note_recalls
from memories.models import Memory
from memories.services import write_memory
from sessions.models import Session, Turn
from tests.api.conftest import embedder, embedder_away
from tests.conftest import TESTS, World
from tests.sessions.turns import make_session, record_turn

__all__ = ["embedder", "embedder_away"]


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    """Spend no Argon2 on operators who never type their password here."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def console_urls(settings: Any) -> None:
    """Serve the routes of the role `dashboard`."""
    settings.ROOT_URLCONF = "ibex.urls.dashboard"


@dataclass
class Story:
    """Scout was told something, learned it, and used it in the next turn."""

    session: Session
    told: Turn
    asked: Turn
    memory: Memory
    version: DirectiveVersion

    @property
    def pages(self) -> list[str]:
        """Every page that shows a row of this organization."""
        agent = f"/agents/{self.session.agent_id}"
        session = f"/sessions/{self.session.pk}"
        return [
            f"{agent}/",
            f"{agent}/memories/",
            f"{agent}/memories/?q=fridays",
            f"{agent}/sessions/",
            f"{agent}/directive/",
            f"{agent}/directive/peek/",
            f"{agent}/directive/versions/",
            f"{agent}/directive/versions/?base=0&head=1",
            f"{agent}/directive/versions/1/",
            f"{agent}/directive/pushes/1/",
            f"/memories/{self.memory.pk}/",
            f"/memories/{self.memory.pk}/?raw=1&base=1&head=1",
            f"/memories/{self.memory.pk}/peek/",
            f"{session}/",
            f"{session}/?begin=1&raw=1",
            f"{session}/?view=raw&q=fridays",
            f"{session}/turns/1/why/",
            f"{session}/turns/1/why/?compare=on",
            f"{session}/turns/0/request/",
            f"{session}/turns/0/answer/",
        ]


def store_turn(session: Session, request: bytes, completion: bytes, **fields: Any) -> Turn:
    """Store a turn with these very bytes: turns are append-only, so they cannot be spoilt later."""
    with tenant(session.org_id):
        return Turn.objects.create(
            org_id=session.org_id,
            agent_id=session.agent_id,
            session=session,
            request=request,
            completion=completion,
            model="m",
            provider="local",
            latency_ms=1.0,
            request_id=str(uuid7()),
            **fields,
        )


LISTS = [
    "/",
    "/agents/",
    "/memories/",
    "/memories/?q=fridays",
    "/sessions/",
    "/directives/",
    "/jobs/",
    "/jobs/bell/",
    "/status/",
]


def tell_story(
    world: World,
    said: str = "We ship on Fridays.",
    fact: str = "The team ships on Fridays.",
    subject: str | None = None,
) -> Story:
    """Record two turns, a memory between them, its recall, and a directive."""
    version = push_directive(
        agent=world.scout, content="Answer briefly.", actor=TESTS, reason="A start"
    )
    session = make_session(world.scout, subject=subject, directive_version=1)
    told = record_turn(session, said)
    memory = write_memory(
        agent=world.scout,
        content=fact,
        actor=TESTS,
        source=Memory.Source.EXTRACTED,
        subject=subject,
        source_turns=[told.pk],
    ).memory
    entry = {"id": str(memory.pk), "kind": "memory", "rank": 1, "score": 0.91}
    asked = record_turn(
        session, "When do we ship?", "On Fridays.", injected=[entry], directive_version=1
    )
    with tenant(world.acme):
        note_recalls([asked])
        session.refresh_from_db()
    return Story(session, told, asked, memory, version)


@pytest.fixture
def story(world: World) -> Story:
    """A short story of Acme's Scout."""
    return tell_story(world)
