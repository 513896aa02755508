"""Each second, what is due is claimed once and handed on; an expired claim is due again."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import redis
from django.utils import timezone

from analytics.tasks import ensure_partitions
from ibex import dispatch
from ibex.celery import app
from ibex.failures import WorkFailed
from ibex.queues import LEARNING
from ibex.tenancy import tenant
from memories.models import Memory
from memories.services import write_memory
from sessions.models import Session
from sessions.services import complete_session
from tests.conftest import TESTS, World
from tests.sessions.turns import make_session, record_turn

EARLIER = timedelta(minutes=-1)
"""Postgres's now() is when the test's transaction began."""
Sent = list[tuple[str, tuple[Any, ...]]]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """Collect what the dispatcher sends instead of sending it."""
    collected: Sent = []
    for _work, _statement, task in dispatch.CLAIMS:
        monkeypatch.setattr(
            task, "apply_async", lambda args, name=task.name: collected.append((name, args))
        )
    return collected


def ids(sent: Sent, *sessions: Session) -> list[UUID]:
    """Return which of these were sent: other tests' rows may be due in this database too."""
    known = {session.pk for session in sessions}
    return [args[-1] for _name, args in sent if args[-1] in known]


def test_due_sessions_of_every_org_are_sent_with_their_org(world: World, sent: Sent) -> None:
    ours, theirs = make_session(world.scout), make_session(world.spy)
    for session in (ours, theirs):
        record_turn(session, "I like tea.", due_in=EARLIER)
    dispatch.dispatch.run()
    name = "memories.tasks.learn_from_session"
    assert (name, (world.acme.pk, ours.pk)) in sent
    assert (name, (world.elsewhere.pk, theirs.pk)) in sent


def test_what_is_claimed_is_not_sent_again_until_its_lease_is_over(
    world: World, sent: Sent
) -> None:
    session = make_session(world.scout)
    record_turn(session, "I like tea.", due_in=EARLIER)
    dispatch.dispatch.run()
    dispatch.dispatch.run()
    assert ids(sent, session) == [session.pk]
    with tenant(world.acme):
        Session.objects.update(extract_claimed_until=timezone.now() + EARLIER)
    dispatch.dispatch.run()
    assert ids(sent, session) == [session.pk] * 2


@pytest.fixture
def learning_queue() -> Iterator[redis.Redis]:
    """The queue's Redis; what a test puts there is gone when it ends."""
    with app.connection_for_write() as connection:
        client = connection.default_channel.client
        client.delete(LEARNING)
        yield client
        client.delete(LEARNING)


def test_no_more_is_claimed_for_learning_than_its_queue_has_room_for(
    world: World, sent: Sent, learning_queue: redis.Redis
) -> None:
    due = [make_session(world.scout) for _ in range(4)]
    for session in due:
        record_turn(session, "I like tea.", due_in=-timedelta(days=30))  # before all others
    ended = make_session(world.scout)
    complete_session(session=ended, actor=TESTS, how="completed")
    with tenant(world.acme):
        Session.objects.filter(pk=ended.pk).update(archive_after=timezone.now() + EARLIER)
    learning_queue.lpush(LEARNING, *["a message"] * (dispatch.LIMIT - 3))
    dispatch.dispatch.run()
    assert len(ids(sent, *due)) == 3
    learning_queue.lpush(LEARNING, *["a message"] * 3)
    dispatch.dispatch.run()
    assert len(ids(sent, *due)) == 3
    assert ("sessions.tasks.archive_session", (world.acme.pk, ended.pk)) in sent
    learning_queue.delete(LEARNING)
    dispatch.dispatch.run()
    assert sorted(ids(sent, *due)) == sorted(session.pk for session in due)


def test_what_is_due_later_waits(world: World, sent: Sent) -> None:
    session = make_session(world.scout)
    record_turn(session, "I like tea.", due_in=timedelta(seconds=3))
    dispatch.dispatch.run()
    assert ids(sent, session) == []


def test_idle_sessions_and_missing_embeddings_are_sent_too(
    world: World, sent: Sent, no_embedding: None
) -> None:
    idle = make_session(world.scout, completes_at=timezone.now() + EARLIER)
    memory = write_memory(agent=world.scout, content="The user likes tea.", actor=TESTS).memory
    with tenant(world.acme):
        Memory.objects.filter(pk=memory.pk).update(embed_after=timezone.now() + EARLIER)
    dispatch.dispatch.run()
    assert ("sessions.tasks.complete_idle_session", (world.acme.pk, idle.pk)) in sent
    assert ("memories.tasks.embed_if_missing", (world.acme.pk, "memory", memory.pk)) in sent


def test_a_broker_that_is_away_leaves_the_claim_to_expire(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(args: Any) -> None:
        raise ConnectionError

    for _work, _statement, task in dispatch.CLAIMS:
        monkeypatch.setattr(task, "apply_async", fail)
    session = make_session(world.scout)
    record_turn(session, "I like tea.", due_in=EARLIER)
    with pytest.raises((ConnectionError, WorkFailed)):
        dispatch.dispatch.run()
    with tenant(world.acme):
        row = Session.objects.get(pk=session.pk)
    assert row.extract_after is not None
    assert row.extract_claimed_until <= timezone.now() + timedelta(seconds=61)


def test_partitions_are_made_ahead_again_and_again(world: World) -> None:
    ensure_partitions.run()
    ensure_partitions.run()
