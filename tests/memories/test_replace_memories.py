"""What is new ends, joins or contradicts what was known, by words and never by cosine."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agents.models import Agent
from ibex.ids import uuid7
from ibex.tenancy import tenant
from memories.models import Memory, MemoryRelationship, MemoryVersion, Posting
from memories.services import WriteResult, write_memory
from memories.writing.comparison import Relation, compare, mentions
from memories.writing.conflicts import Outcome
from tests.conftest import TESTS, World
from tests.processes import ServerProcess

MONDAY = datetime(2026, 11, 16, 9, tzinfo=UTC)
TUESDAY = MONDAY + timedelta(days=1)
HOST = "user.database.host"


def write(agent: Agent, content: str, **options: Any) -> WriteResult:
    return write_memory(agent=agent, content=content, actor=TESTS, **options)


def fresh(memory: Memory) -> Memory:
    with tenant(memory.org_id):
        return Memory.objects.get(pk=memory.pk)


def edges(memory: Memory) -> list[tuple[str, object]]:
    with tenant(memory.org_id):
        return list(
            MemoryRelationship.objects.filter(source=memory).values_list("type", "target_id")
        )


def is_indexed(memory: Memory) -> bool:
    with tenant(memory.org_id):
        return Posting.objects.filter(item_id=memory.pk).exists()


def test_a_newer_value_of_the_same_thing_closes_the_older_one(
    world: World, no_embedding: None
) -> None:
    old = write(world.scout, "The user's host is a.", subject_key=HOST, valid_from=MONDAY).memory
    new = write(world.scout, "The user's host is b.", subject_key=HOST, valid_from=TUESDAY)
    assert new.outcome is Outcome.SUPERSEDED
    closed = fresh(old)
    assert (closed.status, closed.valid_until) == ("superseded", TUESDAY)
    assert edges(new.memory) == [("supersedes", old.pk)]
    assert (is_indexed(old), is_indexed(new.memory)) == (False, True)
    with tenant(world.acme):
        versions = MemoryVersion.objects.filter(memory=old).order_by("number")
        assert [version.operation for version in versions] == ["create", "supersede"]


def test_what_is_learned_late_does_not_replace_what_is_newer(
    world: World, no_embedding: None
) -> None:
    new = write(world.scout, "The user's host is b.", subject_key=HOST, valid_from=TUESDAY).memory
    old = write(world.scout, "The user's host is a.", subject_key=HOST, valid_from=MONDAY)
    assert old.outcome is Outcome.OUTDATED
    assert (old.memory.status, old.memory.valid_until) == ("superseded", TUESDAY)
    assert fresh(new).status == "active"
    assert edges(new) == [("supersedes", old.memory.pk)]
    assert not is_indexed(old.memory)


def test_a_value_comes_back_when_it_is_said_again(world: World, no_embedding: None) -> None:
    for day, host in enumerate("aba"):
        when = MONDAY + timedelta(days=day)
        content = f"The user's host is {host}."
        write(world.scout, content, subject_key=HOST, valid_from=when, source_turns=[uuid7()])
    with tenant(world.acme):
        assert Memory.objects.count() == 3
        assert Memory.objects.get(status="active").content == "The user's host is a."


def test_learning_the_same_turn_again_brings_nothing_back(world: World, no_embedding: None) -> None:
    turns = [uuid7(), uuid7()]
    for _attempt in range(2):
        for day, host in enumerate("ab"):
            write(
                world.scout,
                f"The user's host is {host}.",
                subject_key=HOST,
                valid_from=MONDAY + timedelta(days=day),
                source_turns=[turns[day]],
            )
    with tenant(world.acme):
        assert Memory.objects.count() == 2
        assert Memory.objects.get(status="active").content == "The user's host is b."


def test_other_subjects_and_keys_are_left_alone(world: World, no_embedding: None) -> None:
    others = [
        write(world.scout, "The user's host is a.", subject_key=HOST, subject="ada").memory,
        write(world.scout, "The user's host is a.", subject_key="user.host").memory,
        write(world.scout, "The user's host is a."[::-1]).memory,
    ]
    assert write(world.scout, "The user's host is b.", subject_key=HOST).outcome == "created"
    assert [fresh(memory).status for memory in others] == ["active"] * 3


def test_what_is_no_longer_so_ends_only_what_it_names(world: World, no_embedding: None) -> None:
    home = "user.home.location"
    lisbon = write(world.scout, "The user lives in Lisbon.", subject_key=home).memory
    gone = {"replaces": [home], "retracts": "Berlin"}
    assert write(world.scout, "The user no longer lives in Berlin.", **gone).outcome == "created"
    assert fresh(lisbon).status == "active"
    gone = {"replaces": [home], "retracts": "Lisbon"}
    ended = write(world.scout, "The user no longer lives in Lisbon.", **gone)
    assert ended.outcome is Outcome.SUPERSEDED
    assert fresh(lisbon).status == "superseded"


def test_a_pinned_memory_is_replaced_only_by_an_operator(world: World, no_embedding: None) -> None:
    pinned = write(world.scout, "The user's host is a.", subject_key=HOST, pinned=True).memory
    new = write(world.scout, "The user's host is b.", subject_key=HOST)
    assert new.outcome is Outcome.PENDING_REVIEW
    assert new.memory.status == "pending_review"
    assert fresh(pinned).status == "active"
    assert edges(new.memory) == [("contradicts", pinned.pk)]
    assert not is_indexed(new.memory)


def test_what_is_only_believed_waits_for_review(world: World, no_embedding: None) -> None:
    known = write(world.scout, "The user's host is a.", subject_key=HOST).memory
    new = write(world.scout, "The user's host is b.", subject_key=HOST, confidence=0.55)
    assert new.outcome is Outcome.PENDING_REVIEW
    assert fresh(known).status == "active"


def test_the_same_in_other_words_is_merged(world: World, embedding: ServerProcess) -> None:
    turns = [uuid7(), uuid7()]
    known = write(world.scout, "The user likes green tea.", source_turns=turns[:1]).memory
    said = write(world.scout, "The user really loves green tea!", source_turns=turns[1:])
    assert (said.outcome, said.memory) == (Outcome.MERGED, known)
    survivor = fresh(known)
    assert survivor.source_turns == turns
    with tenant(world.acme):
        merged = Memory.objects.get(status="merged")
        assert [v.operation for v in survivor.versions.all()] == ["merge", "create"]
    assert edges(known) == [("merged_from", merged.pk)]
    assert not is_indexed(merged)
    again = write(world.scout, "The user really loves green tea!")
    assert (again.outcome, again.memory) == (Outcome.DUPLICATE, known)


def test_what_cannot_both_hold_waits_for_review(world: World, embedding: ServerProcess) -> None:
    known = write(world.scout, "The user is allergic to peanuts.").memory
    new = write(world.scout, "The user is not allergic to peanuts.")
    assert new.outcome is Outcome.PENDING_REVIEW
    assert fresh(known).status == "active"
    assert edges(new.memory) == [("contradicts", known.pk)]


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ("The user prefers tabs over spaces.", "The user prefers spaces over tabs."),
        ("The user lives in Lisbon.", "The user lives in Lisbon, Portugal."),
        ("The user has a cat named Tom.", "The user has a cat named Kit."),
    ],
)
def test_everything_else_stays_side_by_side(
    world: World, embedding: ServerProcess, known: str, said: str
) -> None:
    write(world.scout, known)
    assert write(world.scout, said).outcome is Outcome.CREATED


def test_the_same_may_happen_on_two_days(world: World, embedding: ServerProcess) -> None:
    write(world.scout, "The user ran 5 km on 2026-11-20.", category="episodic")
    new = write(world.scout, "The user ran 5 km on 2026-11-21.", category="episodic")
    assert new.outcome is Outcome.CREATED


@pytest.mark.parametrize(
    ("new", "old", "relation"),
    [
        ("The user likes tea.", "The user loves tea.", Relation.SAME),
        ("The user likes tea.", "The user likes teas", Relation.SAME),
        ("User's database host: db.a.com", "The user's database host is db.a.com.", Relation.SAME),
        ("The user hates tea.", "The user likes tea.", Relation.OPPOSED),
        ("The user does not use Vim.", "The user uses Vim.", Relation.OPPOSED),
        ("The user no longer uses Vim.", "The user uses Vim.", Relation.OPPOSED),
        ("The budget is 10,000.", "The budget is 12,000.", Relation.OPPOSED),
        ("The budget is 10,000.", "The budget is 10000.", Relation.SAME),
        ("Deploys are on Friday.", "Deploys are on Thursday.", Relation.OPPOSED),
        ("The user uses Python.", "The user uses Go.", Relation.DIFFERENT),
        ("Alice manages Bob.", "Bob manages Alice.", Relation.DIFFERENT),
        ("The user's project is IBEX.", "The user's project is ibex.", Relation.DIFFERENT),
        ("The user's host was a.", "The user's host is a.", Relation.DIFFERENT),
        ("The report is by Ana.", "The report is for Ana.", Relation.DIFFERENT),
        ("The user moved from Rome to Oslo.", "The user moved from Oslo to Rome.", "different"),
    ],
)
def test_sentences_are_compared_by_their_words(new: str, old: str, relation: str) -> None:
    assert compare(new, old) == relation
    assert compare(old, new) == relation


def test_a_value_is_mentioned_with_all_of_its_words() -> None:
    assert mentions("The user works at Acme Labs.", "Acme Labs")
    assert not mentions("The user works at Acme.", "Acme Labs")
