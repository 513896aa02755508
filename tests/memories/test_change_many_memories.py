"""One change to many memories: all of them counted, and taken back together."""

from collections.abc import Sequence

import pytest

from ibex.ids import uuid7
from ibex.tenancy import tenant
from memories.models import Memory, MemoryVersion
from memories.services import archive_memory, delete_memory, restore_memory, write_memory
from memories.steering.bulk import CHUNK, change_memories
from memories.steering.undo import Undone, undo_changes
from orgs.audit import Actor
from orgs.models import AuditEvent
from tests.api.rows import make_memory
from tests.conftest import TESTS, World

pytestmark = pytest.mark.usefixtures("no_embedding")


@pytest.fixture
def rows(world: World) -> list[Memory]:
    return [make_memory(world.scout, f"Fact {number}", tags=["old"]) for number in range(5)]


def by(world: World) -> Actor:
    return Actor(
        AuditEvent.Actor.OPERATOR, world.alice.pk, world.alice.email, request_id=str(uuid7())
    )


def standing(rows: Sequence[Memory]) -> set[str]:
    with tenant(rows[0].org_id):
        return {Memory.objects.get(pk=row.pk).status for row in rows}


def test_many_are_archived_under_one_request(world: World, rows: list[Memory]) -> None:
    actor = by(world)
    ids = [row.pk for row in rows]
    done = change_memories(org_id=world.acme.pk, ids=ids, action="archive", actor=actor)
    assert (done.changed, done.unchanged, done.left) == (5, 0, 0)
    assert standing(rows) == {"archived"}
    with tenant(world.acme):
        events = AuditEvent.objects.filter(action="memory.archive")
        assert {event.request_id for event in events} == {actor.request_id}
        assert events.count() == 5


def test_doing_it_twice_changes_nothing(world: World, rows: list[Memory]) -> None:
    ids = [row.pk for row in rows]
    for changed in (5, 0):
        done = change_memories(org_id=world.acme.pk, ids=ids, action="delete", actor=by(world))
        assert (done.changed, done.unchanged) == (changed, 5 - changed)
    with tenant(world.acme):
        assert MemoryVersion.objects.count() == 5


def test_what_cannot_be_changed_is_counted_with_the_reason(
    world: World, rows: list[Memory]
) -> None:
    delete_memory(memory=rows[0], actor=TESTS)
    archive_memory(memory=rows[1], actor=TESTS)
    ids = [*(row.pk for row in rows), uuid7()]
    done = change_memories(org_id=world.acme.pk, ids=ids, action="archive", actor=by(world))
    assert (done.changed, done.unchanged, done.left) == (3, 1, 2)
    assert done.refused["A memory that is deleted cannot be archived."] == 1


def test_tags_are_added_to_many_and_taken_from_many(world: World, rows: list[Memory]) -> None:
    ids = [row.pk for row in rows]
    change_memories(
        org_id=world.acme.pk, ids=ids, action="tag", actor=by(world), add=["new"], remove=["old"]
    )
    with tenant(world.acme):
        assert {tuple(row.tags) for row in Memory.objects.filter(pk__in=ids)} == {("new",)}


def test_another_orgs_memories_are_missing(world: World, rows: list[Memory]) -> None:
    ids = [row.pk for row in rows]
    done = change_memories(org_id=world.elsewhere.pk, ids=ids, action="delete", actor=TESTS)
    assert (done.changed, done.left) == (0, 5)
    assert standing(rows) == {"active"}


def test_more_than_a_chunk_is_changed_and_undone_together(world: World) -> None:
    rows = [
        write_memory(agent=world.scout, content=f"Item {number} is blue", actor=TESTS).memory
        for number in range(CHUNK + 3)
    ]
    actor, ids = by(world), [row.pk for row in rows]
    done = change_memories(org_id=world.acme.pk, ids=ids, action="archive", actor=actor)
    assert done.changed == len(rows)
    restore_memory(memory=rows[0], actor=TESTS)
    undone = undo_changes(org_id=world.acme.pk, request_id=actor.request_id, actor=actor)
    assert undone == Undone(undone=len(rows) - 1, left=1)
    assert standing(rows) == {"active"}
