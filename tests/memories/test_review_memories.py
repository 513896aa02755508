"""Deciding about what waits for review, and taking the decision back."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from ibex.ids import uuid7
from ibex.tenancy import tenant
from memories.errors import InvalidMemory, MemoryStatusRefused, NothingToUndo
from memories.models import Memory, MemoryRelationship, MemoryVersion, Posting
from memories.services import edit_memory, quarantine_memory, write_memory
from memories.steering.review import (
    keep_both,
    keep_memory,
    opposed,
    reject_memory,
    replace_with_memory,
)
from memories.steering.undo import Undone, undo_changes
from orgs.audit import Actor
from orgs.models import AuditEvent
from tests.conftest import TESTS, World

pytestmark = pytest.mark.usefixtures("no_embedding")
NOW = timezone.now()


def by(world: World) -> Actor:
    """Alice, in a request of its own."""
    return Actor(
        AuditEvent.Actor.OPERATOR, world.alice.pk, world.alice.email, request_id=str(uuid7())
    )


@pytest.fixture
def pair(world: World) -> tuple[Memory, Memory]:
    """What is known, pinned; and what contradicts it, which waits."""
    known = write_memory(
        agent=world.scout,
        content="The budget is 10,000.",
        subject_key="budget",
        pinned=True,
        valid_from=NOW - timedelta(days=9),
        actor=TESTS,
    )
    said = write_memory(
        agent=world.scout, content="The budget is 12,000.", subject_key="budget", actor=TESTS
    )
    assert said.memory.status == "pending_review"
    return known.memory, said.memory


def standing(*memories: Memory) -> list[str]:
    with tenant(memories[0].org_id):
        return [Memory.objects.get(pk=memory.pk).status for memory in memories]


def found(memory: Memory) -> bool:
    with tenant(memory.org_id):
        return Posting.objects.filter(item_id=memory.pk).exists()


def test_the_other_side_is_what_it_contradicts(pair: tuple[Memory, Memory]) -> None:
    known, said = pair
    with tenant(known.org_id):
        assert list(opposed(said)) == [known]


def test_kept_memories_stand_side_by_side(world: World, pair: tuple[Memory, Memory]) -> None:
    keep_memory(memory=pair[1], actor=by(world), reason="Both are right")
    assert standing(*pair) == ["active", "active"]
    assert found(pair[1])


def test_a_kept_memory_replaces_what_it_contradicts(
    world: World, pair: tuple[Memory, Memory]
) -> None:
    replace_with_memory(memory=pair[1], actor=by(world))
    assert standing(*pair) == ["superseded", "active"]
    assert not found(pair[0])


def test_both_are_kept_each_for_its_time(world: World, pair: tuple[Memory, Memory]) -> None:
    cut = NOW - timedelta(days=1)
    keep_both(memory=pair[1], actor=by(world), until=cut, begins=cut)
    assert standing(*pair) == ["active", "active"]
    with tenant(world.acme):
        assert Memory.objects.get(pk=pair[0].pk).valid_until == cut
        assert Memory.objects.get(pk=pair[1].pk).valid_from == cut


def test_an_end_before_the_beginning_is_refused(world: World, pair: tuple[Memory, Memory]) -> None:
    with pytest.raises(InvalidMemory, match="end before it begins"):
        keep_both(memory=pair[1], actor=by(world), until=NOW - timedelta(days=99), begins=NOW)
    assert standing(*pair) == ["active", "pending_review"]


def test_a_rejected_memory_is_gone_and_the_other_untouched(
    world: World, pair: tuple[Memory, Memory]
) -> None:
    reject_memory(memory=pair[1], actor=by(world), reason="Hearsay")
    assert standing(*pair) == ["active", "deleted"]


def test_a_quarantined_memory_is_decided_about_too(world: World) -> None:
    memory = write_memory(agent=world.scout, content="Ships on Fridays", actor=TESTS).memory
    quarantine_memory(memory=memory, actor=TESTS)
    keep_memory(memory=memory, actor=by(world))
    assert standing(memory) == ["active"]


def test_what_does_not_wait_is_not_decided_about(world: World, pair: tuple[Memory, Memory]) -> None:
    for decide in (keep_memory, replace_with_memory, reject_memory):
        with pytest.raises(MemoryStatusRefused, match="active"):
            decide(memory=pair[0], actor=by(world))


@pytest.mark.parametrize("decide", [keep_memory, replace_with_memory, reject_memory])
def test_a_decision_is_undone_with_all_it_did(
    world: World, pair: tuple[Memory, Memory], decide: object
) -> None:
    actor = by(world)
    decide(memory=pair[1], actor=actor)  # type: ignore[operator]
    undo_changes(org_id=world.acme.pk, request_id=actor.request_id, actor=actor)
    assert standing(*pair) == ["active", "pending_review"]
    assert [found(memory) for memory in pair] == [True, False]
    with tenant(world.acme):
        known = Memory.objects.get(pk=pair[0].pk)
        assert known.valid_until is None
        kind = MemoryRelationship.Type.SUPERSEDES
        assert not MemoryRelationship.objects.filter(target=known, type=kind).exists()


def test_dates_are_undone_too(world: World, pair: tuple[Memory, Memory]) -> None:
    actor, cut = by(world), NOW - timedelta(days=1)
    with tenant(world.acme):
        began = Memory.objects.get(pk=pair[1].pk).valid_from
    keep_both(memory=pair[1], actor=actor, until=cut, begins=cut)
    done = undo_changes(org_id=world.acme.pk, request_id=actor.request_id, actor=actor)
    assert done == Undone(undone=2, left=0)
    with tenant(world.acme):
        assert Memory.objects.get(pk=pair[0].pk).valid_until is None
        assert Memory.objects.get(pk=pair[1].pk).valid_from == began


def test_what_was_changed_since_is_not_undone(world: World, pair: tuple[Memory, Memory]) -> None:
    actor = by(world)
    keep_memory(memory=pair[1], actor=actor)
    edit_memory(memory=pair[1], actor=TESTS, confidence=0.2)
    with pytest.raises(NothingToUndo):
        undo_changes(org_id=world.acme.pk, request_id=actor.request_id, actor=actor)
    assert standing(*pair) == ["active", "active"]


def test_nobody_undoes_what_another_did(world: World, pair: tuple[Memory, Memory]) -> None:
    actor = by(world)
    reject_memory(memory=pair[1], actor=actor)
    other = replace(actor, id=world.mallory.pk)
    for who, org in ((other, world.acme), (actor, world.elsewhere)):
        with pytest.raises(NothingToUndo):
            undo_changes(org_id=org.pk, request_id=actor.request_id, actor=who)
    assert standing(pair[1]) == ["deleted"]


def test_new_words_are_not_undone(world: World, pair: tuple[Memory, Memory]) -> None:
    actor = by(world)
    edit_memory(memory=pair[0], actor=actor, content="The budget is 9,000.")
    with pytest.raises(NothingToUndo):
        undo_changes(org_id=world.acme.pk, request_id=actor.request_id, actor=actor)
    with tenant(world.acme):
        assert MemoryVersion.objects.filter(memory=pair[0]).count() == 2
