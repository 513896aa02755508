"""Pinning, tagging and quarantining: small changes that leave a version and an audit row."""

import pytest

from ibex.tenancy import tenant
from memories.errors import InvalidMemory, MemoryChangedMeanwhile, MemoryStatusRefused
from memories.models import Memory, MemoryVersion, Posting
from memories.services import (
    delete_memory,
    edit_memory,
    pin_memory,
    quarantine_memory,
    tag_memory,
    write_memory,
)
from orgs.models import AuditEvent
from tests.conftest import TESTS, World

pytestmark = pytest.mark.usefixtures("no_embedding")


@pytest.fixture
def memory(world: World) -> Memory:
    return write_memory(agent=world.scout, content="Ships on Fridays", actor=TESTS).memory


def versions(memory: Memory) -> int:
    with tenant(memory.org_id):
        return MemoryVersion.objects.filter(memory=memory).count()


def actions(memory: Memory) -> list[str]:
    with tenant(memory.org_id):
        rows = AuditEvent.objects.filter(target_id=memory.pk).order_by("at", "id")
        return [row.action for row in rows]


def test_a_memory_is_pinned_and_unpinned(memory: Memory) -> None:
    assert pin_memory(memory=memory, actor=TESTS).pinned
    pin_memory(memory=memory, actor=TESTS)
    assert not pin_memory(memory=memory, actor=TESTS, pinned=False).pinned
    assert actions(memory) == ["memory.create", "memory.pin", "memory.unpin"]
    assert versions(memory) == 3


def test_tags_come_and_go(memory: Memory) -> None:
    tagged = tag_memory(memory=memory, actor=TESTS, add=["b", "a", "b", "  "])
    assert tagged.tags == ["b", "a"]
    assert tag_memory(memory=memory, actor=TESTS, add=["c"], remove=["b"]).tags == ["a", "c"]
    tag_memory(memory=memory, actor=TESTS, add=["a"], remove=["none"])
    assert versions(memory) == 3


def test_a_memory_has_at_most_twenty_tags(memory: Memory) -> None:
    with pytest.raises(InvalidMemory, match="at most 20 tags"):
        tag_memory(memory=memory, actor=TESTS, add=[f"t{n}" for n in range(21)])
    assert versions(memory) == 1


def test_a_quarantined_memory_is_not_found_any_more(memory: Memory) -> None:
    quarantine_memory(memory=memory, actor=TESTS, reason="Doubtful")
    quarantine_memory(memory=memory, actor=TESTS)
    with tenant(memory.org_id):
        assert Memory.objects.get(pk=memory.pk).status == "quarantined"
        assert not Posting.objects.filter(item_id=memory.pk).exists()
    assert actions(memory) == ["memory.create", "memory.quarantine"]


def test_what_is_deleted_takes_no_marks(memory: Memory) -> None:
    delete_memory(memory=memory, actor=TESTS)
    for change in (pin_memory, tag_memory, quarantine_memory):
        with pytest.raises(MemoryStatusRefused, match="deleted"):
            change(memory=memory, actor=TESTS)


def test_an_edit_of_an_old_version_is_refused(memory: Memory) -> None:
    edit_memory(memory=memory, actor=TESTS, base_version=1, content="Ships on Mondays")
    with pytest.raises(MemoryChangedMeanwhile, match="version 2"):
        edit_memory(memory=memory, actor=TESTS, base_version=1, content="Ships on Tuesdays")
    with tenant(memory.org_id):
        assert Memory.objects.get(pk=memory.pk).content == "Ships on Mondays"


def test_feedback_is_no_new_version_that_an_edit_could_miss(memory: Memory) -> None:
    pin_memory(memory=memory, actor=TESTS)
    edited = edit_memory(memory=memory, actor=TESTS, base_version=2, confidence=0.4)
    assert edited.confidence == 0.4
