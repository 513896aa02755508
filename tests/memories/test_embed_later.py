"""What could not be embedded at once is embedded when the embedder is back."""

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from ibex.ids import uuid7
from ibex.tenancy import tenant
from memories.indexing import vectors
from memories.indexing.vectors import next_try
from memories.models import Memory, Passage
from memories.services import delete_memory, embed_if_missing, write_memory
from tests.conftest import TESTS, World
from tests.processes import ServerProcess
from tests.sessions.turns import make_session, record_turn


def waiting_memory(world: World) -> Memory:
    memory = write_memory(agent=world.scout, content="The user likes tea.", actor=TESTS).memory
    with tenant(world.acme):
        due = timezone.now() - timedelta(seconds=1)
        Memory.objects.filter(pk=memory.pk).update(
            embed_after=due,
            embed_claimed_until=due,
            embedding=None,
            embedding_model=None,
            embedding_dim=None,
        )
    return memory


def test_a_memory_gets_its_vector(world: World, embedding: ServerProcess) -> None:
    memory = waiting_memory(world)
    embed_if_missing(org_id=world.acme.pk, kind="memory", item_id=memory.pk)
    with tenant(world.acme):
        row = Memory.objects.get(pk=memory.pk)
    assert row.embedding is not None
    assert (row.embed_after, row.embed_claimed_until) == (None, None)


def test_a_passage_gets_its_vector(world: World, embedding: ServerProcess) -> None:
    session = make_session(world.scout)
    turn = record_turn(session, "I like tea.")
    with tenant(world.acme):
        passage = Passage.objects.create(
            org=world.acme,
            agent=world.scout,
            session=session,
            turn=turn,
            turn_index=0,
            part=0,
            role="user",
            text="I like tea.",
            said_at=turn.created_at,
            embed_after=timezone.now(),
        )
    embed_if_missing(org_id=world.acme.pk, kind="passage", item_id=passage.pk)
    with tenant(world.acme):
        assert Passage.objects.get(pk=passage.pk).embedding is not None


def test_while_the_embedder_is_away_the_waits_grow(world: World, no_embedding: None) -> None:
    memory = waiting_memory(world)
    embed_if_missing(org_id=world.acme.pk, kind="memory", item_id=memory.pk)
    with tenant(world.acme):
        row = Memory.objects.get(pk=memory.pk)
    assert row.embedding is None
    assert row.embed_after is not None
    assert row.embed_after > timezone.now()
    assert row.embed_claimed_until is None


def test_an_embedder_that_is_away_is_left_alone_for_a_moment(
    world: World, no_embedding: None
) -> None:
    assert vectors.embed_or_wait(world.acme.pk, ["tea"]) == [None]
    began = time.perf_counter()
    assert vectors.embed_or_wait(world.acme.pk, ["tea"] * 100) == [None] * 100
    assert time.perf_counter() - began < 0.01


def test_a_text_that_the_embedder_refuses_does_not_cost_the_others_their_vectors(
    world: World, embedding: ServerProcess
) -> None:
    tea, blank, coffee = vectors.embed_or_wait(world.acme.pk, ["tea", " ", "coffee"])
    assert blank is None
    assert len(tea or []) == len(coffee or []) == 384


@pytest.mark.parametrize(
    ("waited", "seconds"), [(0, 5), (30, 30), (300, 300), (3_600, 600), (86_400, 600)]
)
def test_the_next_try_comes_after_as_long_as_it_has_waited(waited: int, seconds: int) -> None:
    wait = next_try(timezone.now() - timedelta(seconds=waited)) - timezone.now()
    assert abs(wait.total_seconds() - seconds) < 1


def test_what_is_done_or_deleted_or_gone_is_left_alone(world: World, no_embedding: None) -> None:
    memory = waiting_memory(world)
    delete_memory(memory=memory, actor=TESTS)
    for item_id in (memory.pk, uuid7()):
        embed_if_missing(org_id=world.acme.pk, kind="memory", item_id=item_id)
    with tenant(world.acme):
        assert Memory.objects.get(pk=memory.pk).embed_after is None


def test_another_orgs_memory_is_missing(world: World, embedding: ServerProcess) -> None:
    memory = waiting_memory(world)
    embed_if_missing(org_id=world.elsewhere.pk, kind="memory", item_id=memory.pk)
    with tenant(world.acme):
        assert Memory.objects.get(pk=memory.pk).embedding is None
