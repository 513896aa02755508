"""A real worker asks a real model server, fails, and is told to try again."""

from typing import Any

import pytest

from ibex.tenancy import tenant
from memories.learning.dead_letters import retry_dead_letter
from memories.models import DeadLetter, Memory
from tests.conftest import TESTS, World
from tests.memories.model import MODEL, ModelPeer, Reply, fact, told
from tests.sessions.turns import make_session, record_turn
from tests.worker.conftest import (
    MakeWorker,
    broker_url,
    make_worker,
    nothing_else_is_due,
    wait_until,
)

__all__ = ["broker_url", "make_worker", "nothing_else_is_due"]

pytestmark = pytest.mark.usefixtures("no_embedding")


def count(world: World, model: type[Any], **filters: Any) -> int:
    with tenant(world.acme):
        return int(model.objects.filter(**filters).count())


def test_what_a_worker_could_not_learn_it_learns_when_told_to(
    committed_world: World, model_peer: ModelPeer, make_worker: MakeWorker
) -> None:
    world = committed_world
    nonsense = Reply("nonsense")
    found = told(fact("The user likes tea."))
    model_peer.will(nonsense, nonsense, found, about="tea on Tuesdays")  # others may be due too
    session = make_session(world.scout)
    record_turn(session, "I like tea on Tuesdays.")
    make_worker(
        IBEX_EXTRACTOR="llm",
        IBEX_EXTRACTOR_BASE_URL=model_peer.base_url,
        IBEX_EXTRACTOR_API_KEY="a-key",
        IBEX_EXTRACTOR_MODEL=MODEL,
    ).start()
    wait_until(lambda: count(world, DeadLetter))
    assert count(world, Memory) == 0
    with tenant(world.acme):
        letter = DeadLetter.objects.get()
    retry_dead_letter(dead_letter=letter, actor=TESTS)
    wait_until(lambda: count(world, DeadLetter, resolved_at__isnull=False))
    assert count(world, Memory, content="The user likes tea.") == 1
    assert len(model_peer.asked) == 3
