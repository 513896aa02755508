"""From a turn to the memories that were made of it: the database keeps the way back."""

from uuid import UUID

from django.db import connection

from ibex.ids import uuid7
from ibex.tenancy import tenant
from memories.models import MemorySource
from orgs.models import Organization
from tests.api.rows import make_memory
from tests.conftest import World


def made_of(org: Organization, turn: UUID) -> set[UUID]:
    with tenant(org):
        return set(
            MemorySource.objects.for_org(org)
            .filter(turn_id=turn)
            .values_list("memory_id", flat=True)
        )


def test_a_memory_is_found_by_each_of_its_turns(world: World) -> None:
    one, two = uuid7(), uuid7()
    first = make_memory(world.scout, "First", source_turns=[one, two, one])
    second = make_memory(world.scout, "Second", source_turns=[two])
    make_memory(world.scout, "Told by an operator")
    assert made_of(world.acme, one) == {first.pk}
    assert made_of(world.acme, two) == {first.pk, second.pk}
    assert made_of(world.acme, uuid7()) == set()


def test_it_follows_when_the_turns_change_and_goes_with_the_memory(world: World) -> None:
    one, two, three = uuid7(), uuid7(), uuid7()
    memory = make_memory(world.scout, "First", source_turns=[one, two])
    with tenant(world.acme):
        memory.source_turns = [two, three]
        memory.save()
    assert [made_of(world.acme, turn) for turn in (one, two, three)] == [
        set(),
        {memory.pk},
        {memory.pk},
    ]
    with tenant(world.acme), connection.cursor() as cursor:
        cursor.execute("DELETE FROM memories_memorylabel WHERE memory_id = %s", [memory.pk])
        cursor.execute("DELETE FROM memories_memory WHERE id = %s", [memory.pk])
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    assert made_of(world.acme, two) == set()


def test_another_org_does_not_find_it(world: World) -> None:
    turn = uuid7()
    memory = make_memory(world.scout, "First", source_turns=[turn])
    assert made_of(world.acme, turn) == {memory.pk}
    assert made_of(world.elsewhere, turn) == set()
