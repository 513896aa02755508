"""What stood in a prompt is logged, and what is gone does not come back through an answer."""

import pytest

from ibex.tenancy import tenant
from memories.learning.steps import learn_from_session
from memories.models import Memory, Passage, Recall
from memories.services import (
    archive_memory,
    delete_memory,
    edit_memory,
    restore_memory,
    write_memory,
)
from sessions.models import Session, Turn
from tests.conftest import TESTS, World
from tests.sessions.turns import make_session, record_turn

pytestmark = pytest.mark.usefixtures("no_embedding")


def learned(session: Session) -> dict[int, Passage]:
    """Learn from a session; return its passages by part."""
    learn_from_session(org_id=session.org_id, session_id=session.pk)
    with tenant(session.org_id):
        return {p.part: p for p in Passage.objects.filter(session=session)}


def status_of(passage: Passage) -> tuple[str, str]:
    with tenant(passage.org_id):
        passage.refresh_from_db()
    return passage.status, passage.hidden_because


def entry(item: Memory | Passage, kind: str) -> dict[str, object]:
    return {"id": str(item.pk), "kind": kind, "rank": 1, "score": 1.5}


GATE = "Certainly! Between you, me and the garden gate, the vault opens with heliotrope."
OTHER = "Yesterday somebody mentioned a purple flower in connection with strongrooms, I believe."


def answer_with(
    world: World, item: Memory | Passage, kind: str, answer: str = GATE
) -> tuple[Turn, Session]:
    """Record a turn whose prompt held the item, and whose answer says more than the item."""
    session = make_session(world.scout)
    turn = record_turn(session, "How do I open it?", answer, injected=[entry(item, kind)])
    return turn, session


def known(world: World) -> Memory:
    return write_memory(
        agent=world.scout, content="The vault opens with heliotrope.", actor=TESTS
    ).memory


def test_recalls_are_logged_once_and_counted(world: World) -> None:
    memory = known(world)
    turn, session = answer_with(world, memory, "memory")
    learned(session)
    with tenant(world.acme):
        (recall,) = Recall.objects.filter(item_id=memory.pk)
        assert (recall.turn_id, recall.rank, recall.score) == (turn.pk, 1, 1.5)
        memory.refresh_from_db()
        assert (memory.injected_count, memory.last_injected_at) == (1, turn.created_at)
        Session.objects.filter(pk=session.pk).update(extracted_through=-1)
    learned(session)
    with tenant(world.acme):
        memory.refresh_from_db()
        assert memory.injected_count == 1


def test_an_answer_given_with_a_memory_goes_when_the_memory_goes(world: World) -> None:
    memory = known(world)
    _turn, session = answer_with(world, memory, "memory")
    passages = learned(session)
    assert status_of(passages[1])[0] == "searchable"
    delete_memory(memory=memory, actor=TESTS)
    assert status_of(passages[1]) == ("hidden", "memory deleted")
    assert status_of(passages[0])[0] == "searchable", "the question holds nothing of it"


def test_an_answer_given_with_that_answer_goes_too(world: World) -> None:
    memory = known(world)
    first = learned(answer_with(world, memory, "memory")[1])
    second = learned(answer_with(world, first[1], "passage", OTHER)[1])
    unrelated = learned(answer_with(world, first[0], "passage", OTHER)[1])
    assert {status_of(second[1])[0], status_of(unrelated[1])[0]} == {"searchable"}
    delete_memory(memory=memory, actor=TESTS)
    assert status_of(second[1]) == ("hidden", "memory deleted")
    assert status_of(unrelated[1])[0] == "searchable"


def test_a_turn_learned_after_the_deletion_is_hidden_all_the_same(world: World) -> None:
    memory = known(world)
    _turn, session = answer_with(world, memory, "memory")
    delete_memory(memory=memory, actor=TESTS)
    passages = learned(session)
    assert status_of(passages[1]) == ("hidden", "memory deleted")
    assert status_of(passages[0])[0] == "searchable"


@pytest.mark.parametrize("is_learned_first", [True, False])
def test_an_answer_given_with_words_that_were_edited_goes(
    world: World, is_learned_first: bool
) -> None:
    memory = known(world)
    _turn, session = answer_with(world, memory, "memory")
    if is_learned_first:
        assert status_of(learned(session)[1])[0] == "searchable"
    edit_memory(memory=memory, actor=TESTS, content="The vault opens with a key.")
    passages = learned(session)
    assert status_of(passages[1]) == ("hidden", "memory edited")
    assert status_of(passages[0])[0] == "searchable"


def test_an_answer_stays_when_anything_but_the_words_was_edited(world: World) -> None:
    memory = known(world)
    learned_before = learned(answer_with(world, memory, "memory")[1])
    _turn, session = answer_with(world, memory, "memory", OTHER)
    edit_memory(memory=memory, actor=TESTS, confidence=0.5, tags=["vault"])
    assert status_of(learned_before[1])[0] == "searchable"
    assert status_of(learned(session)[1])[0] == "searchable"


def test_an_answer_given_with_the_new_words_stays(world: World) -> None:
    memory = known(world)
    edit_memory(memory=memory, actor=TESTS, content="The vault opens with a key.")
    _turn, session = answer_with(world, memory, "memory")
    assert status_of(learned(session)[1])[0] == "searchable"


def test_a_malformed_entry_does_not_stop_learning(world: World) -> None:
    session = make_session(world.scout)
    record_turn(session, "I like tea.", "Noted.", injected=[{"id": "nonsense"}, {}])
    assert len(learned(session)) == 2


def made_from(turn: Turn, content: str, world: World) -> Memory:
    """Write a memory as if a turn had said it."""
    memory = write_memory(agent=world.scout, content=content, actor=TESTS).memory
    with tenant(world.acme):
        Memory.objects.filter(pk=memory.pk).update(source_turns=[turn.pk])
        memory.refresh_from_db()
    return memory


def end(memory: Memory, how: str) -> None:
    if how == "deleted":
        delete_memory(memory=memory, actor=TESTS)
    else:
        edit_memory(memory=memory, actor=TESTS, content="The vault opens with a key.")


@pytest.mark.parametrize("how", ["deleted", "edited"])
@pytest.mark.parametrize("is_first", [True, False])
def test_a_memory_that_comes_back_does_not_bring_an_answer_given_with_another_that_is_gone(
    world: World, how: str, is_first: bool
) -> None:
    gone = known(world)
    turn, session = answer_with(world, gone, "memory")
    passages = learned(session)
    memory = made_from(turn, "Somebody asks how to open it.", world)
    delete_memory(memory=memory, actor=TESTS)
    restore_memory(memory=memory, actor=TESTS)
    assert {status_of(passages[part])[0] for part in (0, 1)} == {"searchable"}
    if is_first:
        end(gone, how)
    delete_memory(memory=memory, actor=TESTS)
    if not is_first:
        end(gone, how)
    restore_memory(memory=memory, actor=TESTS)
    assert status_of(passages[0])[0] == "searchable"
    assert status_of(passages[1])[0] == "hidden"


@pytest.mark.parametrize("is_deleted", [False, True])
def test_a_corrected_memory_that_comes_back_does_not_bring_its_old_words(
    world: World, is_deleted: bool
) -> None:
    session = make_session(world.scout)
    turn = record_turn(session, "The vault opens with heliotrope.", "I see.")
    passages = learned(session)
    memory = made_from(turn, "The vault opens with heliotrope, they say.", world)
    edit_memory(memory=memory, actor=TESTS, content="The vault opens with a key.")
    (delete_memory if is_deleted else archive_memory)(memory=memory, actor=TESTS)
    restore_memory(memory=memory, actor=TESTS)
    assert status_of(passages[0]) == ("hidden", "memory edited")
