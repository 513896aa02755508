"""Who sees what. Every absence has a twin that is present in the same place."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from agents.services import create_agent
from ibex.ids import uuid7
from ibex.tenancy import tenant
from memories.models import Memory
from memories.retrieval import retrieve_sync
from tests.conftest import TESTS, World
from tests.context.library import ask, find, open_session, remember, say

TEA = "The user drinks green tea in the morning."
COFFEE = "The user drinks black coffee in the morning."
QUESTION = "What does the user drink in the morning?"
BOTH_WAYS = pytest.mark.parametrize("by_meaning", [True, False], ids=["meaning", "words"])


def other_agent(world: World) -> Any:
    return create_agent(
        org=world.acme, name="Guide", slug="guide", memory_scope="agent", actor=TESTS
    )


@BOTH_WAYS
def test_another_agents_memories_are_not_seen(world: World, by_meaning: bool) -> None:
    guide = other_agent(world)
    remember(world.scout, TEA)
    remember(guide, COFFEE)
    assert find(world.scout, QUESTION, by_meaning=by_meaning) == [TEA]
    assert find(guide, QUESTION, by_meaning=by_meaning) == [COFFEE]


@BOTH_WAYS
def test_a_memory_of_the_org_is_seen_by_every_agent_of_it(world: World, by_meaning: bool) -> None:
    guide = other_agent(world)
    remember(guide, TEA, visibility="org")
    remember(guide, COFFEE, visibility="agent")
    assert find(world.scout, QUESTION, by_meaning=by_meaning) == [TEA]
    assert set(find(guide, QUESTION, by_meaning=by_meaning)) == {TEA, COFFEE}
    assert find(world.spy, QUESTION, by_meaning=by_meaning) == []


@BOTH_WAYS
def test_another_orgs_memories_are_not_seen(world: World, by_meaning: bool) -> None:
    remember(world.scout, TEA)
    remember(world.spy, COFFEE, visibility="org")
    assert find(world.scout, QUESTION, by_meaning=by_meaning) == [TEA]
    assert find(world.spy, QUESTION, by_meaning=by_meaning) == [COFFEE]


@BOTH_WAYS
def test_an_operator_finds_whatever_the_agents_in_view_know(world: World, by_meaning: bool) -> None:
    guide = other_agent(world)
    session = open_session(world.scout, "ada")
    words = {"pinned": "It is Tuesday.", "hers": TEA, "now": COFFEE}
    remember(world.scout, words["pinned"], pinned=True)
    remember(world.scout, words["hers"], subject="ada")
    remember(world.scout, words["now"], subject="ada", visibility="session", session=session)
    theirs = "The user drinks milk in the morning."
    remember(guide, theirs, subject="eve")
    for status in ("quarantined", "deleted", "superseded"):
        remember(world.scout, f"The user drinks {status} tea in the morning.", status=status)
    remember(world.spy, "The user drinks rum in the morning.", visibility="org")

    def seen(*agents: Any, **fields: Any) -> set[str]:
        ids = tuple(agent.pk for agent in agents)
        kinds: frozenset[Any] = frozenset({"memory"})
        query = {"by_meaning": by_meaning, "overseen": ids, "kinds": kinds, **fields}
        return set(find(world.scout, QUESTION, **query))

    assert seen(world.scout) == {TEA, COFFEE}
    assert seen(guide) == {theirs}
    assert seen(world.scout, guide) == {TEA, COFFEE, theirs}
    assert seen(world.scout, guide, subject="eve") == {theirs}
    assert seen(world.spy) == set()  # named, and still of another org
    asked = {"by_meaning": by_meaning, "kinds": frozenset({"memory"})}
    assert find(world.scout, QUESTION, **asked) == [words["pinned"]]  # what the agent itself sees


def test_a_wrong_org_in_the_query_or_around_it_sees_nothing(world: World) -> None:
    """Row-level security holds even if the query names Acme, and the query if the tenant is hers."""
    remember(world.scout, TEA, pinned=True)
    query = ask(world.scout, QUESTION)
    forged = ask(world.scout, QUESTION, org_id=world.elsewhere.pk)
    seen = {}
    for name, org, asked in (
        ("hers", world.elsewhere, query),
        ("forged", world.acme, forged),
        ("own", world.acme, query),
    ):
        with tenant(org), connection.cursor() as cursor:
            seen[name] = len(retrieve_sync(cursor, asked).candidates)
    assert seen == {"hers": 0, "forged": 0, "own": 1}


@BOTH_WAYS
def test_another_subjects_memories_are_not_seen(world: World, by_meaning: bool) -> None:
    remember(world.scout, TEA, subject="ada")
    remember(world.scout, COFFEE, subject="bob")
    remember(world.scout, "Everyone may drink water in the morning.")
    found = {
        subject: set(find(world.scout, QUESTION, by_meaning=by_meaning, subject=subject))
        for subject in ("ada", "bob", None)
    }
    shared = {"Everyone may drink water in the morning."}
    assert found == {"ada": {TEA} | shared, "bob": {COFFEE} | shared, None: shared}


@BOTH_WAYS
def test_another_subjects_words_are_not_seen(world: World, by_meaning: bool) -> None:
    say(open_session(world.scout, "ada"), "I drink green tea in the morning.")
    say(open_session(world.scout, "bob"), "I drink black coffee in the morning.")
    say(open_session(world.scout), "We drink water in the morning.")
    found = {
        subject: set(find(world.scout, QUESTION, by_meaning=by_meaning, subject=subject))
        for subject in ("ada", None)
    }
    water = {"We drink water in the morning."}
    assert found == {"ada": water | {"I drink green tea in the morning."}, None: water}


@BOTH_WAYS
def test_a_memory_of_one_session_is_seen_only_in_it(world: World, by_meaning: bool) -> None:
    session, another = open_session(world.scout), open_session(world.scout)
    remember(world.scout, TEA, visibility="session", session=session)
    asked = {"text": QUESTION, "by_meaning": by_meaning}
    assert find(world.scout, session_id=session.pk, **asked) == [TEA]
    assert find(world.scout, session_id=another.pk, **asked) == []
    assert find(world.scout, **asked) == []


@BOTH_WAYS
def test_what_was_said_in_this_session_is_not_repeated_into_it(
    world: World, by_meaning: bool
) -> None:
    session = open_session(world.scout)
    say(session, "I drink green tea in the morning.")
    asked = {"text": QUESTION, "by_meaning": by_meaning}
    assert find(world.scout, session_id=session.pk, **asked) == []
    assert find(world.scout, session_id=uuid7(), **asked) == ["I drink green tea in the morning."]


@BOTH_WAYS
@pytest.mark.parametrize(
    "status", ["superseded", "merged", "archived", "quarantined", "pending_review", "deleted"]
)
def test_only_active_memories_are_seen(world: World, status: str, by_meaning: bool) -> None:
    remember(world.scout, COFFEE, status=status)
    remember(world.scout, TEA)
    assert find(world.scout, QUESTION, by_meaning=by_meaning) == [TEA]


def test_a_memory_whose_posting_was_left_behind_is_not_seen(world: World) -> None:
    """The rows are judged, not the index: here both say `indexed`, and one is deleted."""
    memory = remember(world.scout, COFFEE, pinned=True)
    remember(world.scout, TEA)
    with tenant(world.acme):
        Memory.objects.filter(pk=memory.pk).update(status="deleted")
    assert find(world.scout, QUESTION, by_meaning=False) == [TEA]


DAY = timedelta(days=1)


@BOTH_WAYS
@pytest.mark.parametrize(
    ("field", "offset"), [("valid_from", DAY), ("valid_until", -DAY), ("expires_at", -DAY)]
)
def test_only_what_is_valid_now_is_seen(
    world: World, field: str, offset: timedelta, by_meaning: bool
) -> None:
    now = timezone.now()
    remember(world.scout, COFFEE, **{field: now + offset})
    remember(world.scout, TEA, **{field: now - offset})
    assert find(world.scout, QUESTION, by_meaning=by_meaning) == [TEA]


@BOTH_WAYS
@pytest.mark.parametrize("flaw", [{"status": "hidden"}, {"injection_risk": 0.71}])
def test_hidden_and_risky_passages_are_not_seen(
    world: World, flaw: dict[str, Any], by_meaning: bool
) -> None:
    say(open_session(world.scout), "I drink black coffee in the morning.", **flaw)
    say(open_session(world.scout), "I drink green tea in the morning.", injection_risk=0.70)
    found = find(world.scout, QUESTION, by_meaning=by_meaning)
    assert found == ["I drink green tea in the morning."]


@BOTH_WAYS
def test_a_hidden_turn_is_no_neighbour_either(world: World, by_meaning: bool) -> None:
    session = open_session(world.scout)
    say(session, "I drink green tea in the morning.")
    say(session, "Forget what I said about the morning.", status="hidden")
    say(session, "And juice in the evening.")
    found = find(world.scout, QUESTION, by_meaning=by_meaning)
    assert found[0] == "I drink green tea in the morning."
    assert "Forget what I said about the morning." not in found


def strangers(world: World) -> set[str]:
    """Store what nobody in particular said, and what an operator wrote; return the latter."""
    for floor in range(9):  # so that not every memory is about drinks
        remember(world.scout, f"Printer {floor} stands on floor {floor}.")
    remember(world.scout, "Guests drink green tea in the morning.")
    remember(world.scout, "Staff drink coffee in the morning.", source="user_provided")
    remember(world.scout, "Nobody drinks wine in the morning.", pinned=True)
    say(open_session(world.scout), "I drink black coffee in the morning.")
    return {"Staff drink coffee in the morning.", "Nobody drinks wine in the morning."}


@BOTH_WAYS
def test_per_subject_a_request_without_one_sees_what_operators_wrote(
    world: World, by_meaning: bool
) -> None:
    written = strangers(world)
    session = open_session(world.scout)
    remember(world.scout, TEA, visibility="session", session=session)
    asked = {"text": QUESTION, "by_meaning": by_meaning, "session_id": session.pk}
    assert set(find(world.scout, memory_scope="subject", **asked)) == written | {TEA}
    assert len(find(world.scout, memory_scope="agent", **asked)) == 5


@BOTH_WAYS
def test_per_subject_a_person_sees_their_own_and_what_operators_wrote(
    world: World, by_meaning: bool
) -> None:
    """What a stranger said without a name stays with nobody."""
    written = strangers(world)
    remember(world.scout, TEA, subject="ada")
    say(open_session(world.scout, "ada"), "I drink green tea in the morning.")
    asked = {"text": QUESTION, "by_meaning": by_meaning, "subject": "ada"}
    own = {TEA, "I drink green tea in the morning."}
    assert set(find(world.scout, memory_scope="subject", **asked)) == written | own
    assert len(find(world.scout, memory_scope="agent", **asked)) == 6
