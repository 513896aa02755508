"""Searching memories, for agents and for operators."""

from typing import Any

import pytest

from agents.models import Agent
from memories.services import write_memory
from tests.api.conftest import AGENTS, Api, MakeApi, refused
from tests.conftest import TESTS, World

FACTS = [
    "The database host is walrus.",
    "Ada prefers dark roast coffee.",
    "Deploys happen on Friday afternoons.",
    "The parrot is called Polly.",
]


def learn(agent: Agent, facts: list[str] = FACTS, **values: Any) -> None:
    for fact in facts:
        write_memory(agent=agent, content=fact, actor=TESTS, **values)


@pytest.fixture(params=["agent", "operator"])
def door(
    request: pytest.FixtureRequest, world: World, api: MakeApi, settings: Any
) -> tuple[Api, str]:
    """Both searches: the agent's own, and the management API's for that agent."""
    if request.param == "agent":
        settings.ROOT_URLCONF = "ibex.urls.memory"
        return api(world.token(agent=world.scout)), "/v1/memories/search"
    settings.ROOT_URLCONF = "ibex.urls.api"
    return api(world.token()), f"{AGENTS}/{world.scout.pk}/memories/search"


Door = tuple[Api, str]


def ask(door: Door, query: str, **more: Any) -> dict[str, Any]:
    api, path = door
    answer = api.post(path, {"query": query, **more})
    assert answer.status_code == 200, answer.content
    return answer.json()


def contents(answer: dict[str, Any]) -> list[str]:
    return [row["content"] for row in answer["items"]]


@pytest.mark.usefixtures("embedder")
def test_what_matters_comes_first_with_its_score(world: World, door: Door) -> None:
    learn(world.scout)
    answer = ask(door, "Which database host should I use?")
    assert contents(answer)[0] == FACTS[0]
    assert answer["degraded"] is False
    row = answer["items"][0]
    assert row["agent_id"] == str(world.scout.pk)
    assert row["labels"]
    assert row["score"] == row["scores"]["final"]
    assert {"bm25", "cosine", "recency", "usefulness", "confidence"} <= set(row["scores"])
    scores = [row["score"] for row in answer["items"]]
    assert scores == sorted(scores, reverse=True)


def test_without_the_embedder_words_are_compared_and_it_says_so(world: World, door: Door) -> None:
    learn(world.scout)
    for mode in ("hybrid", "semantic"):
        answer = ask(door, "database host", mode=mode)
        assert contents(answer)[0] == FACTS[0]
        assert answer["degraded"] is True
        assert answer["items"][0]["scores"]["cosine"] is None


def test_a_keyword_search_asks_no_embedder(
    world: World, door: Door, embedder: list[tuple[str, bool]]
) -> None:
    learn(world.scout)
    embedder.clear()
    answer = ask(door, "parrot", mode="keyword")
    assert contents(answer) == [FACTS[3]]
    assert answer["degraded"] is False
    assert embedder == []


@pytest.mark.usefixtures("embedder")
def test_a_semantic_search_compares_no_words(world: World, door: Door) -> None:
    learn(world.scout)
    answer = ask(door, "the parrot called Polly", mode="semantic")
    assert contents(answer)[0] == FACTS[3]
    assert {row["scores"]["bm25"] for row in answer["items"]} == {0}
    assert answer["items"][0]["scores"]["cosine"] > 0.5


def test_nothing_relevant_finds_nothing(world: World, door: Door) -> None:
    learn(world.scout)
    assert ask(door, "quantum chromodynamics") == {"items": [], "degraded": True}


def test_the_number_of_results_is_bounded(world: World, door: Door) -> None:
    animals = "ibis lynx newt crow moth swan wren hare toad mole vole stoat".split()
    learn(world.scout, [f"Ada keeps a {animal} in the yard." for animal in animals])
    learn(
        world.scout, [f"Bob has no {animal}." for animal in "cat dog cow hen ewe ram".split()] * 3
    )
    assert len(ask(door, "yard", mode="keyword")["items"]) == 10
    assert len(ask(door, "yard", mode="keyword", limit=3)["items"]) == 3
    assert len(ask(door, "yard", mode="keyword", limit=50)["items"]) == 12


def test_a_word_that_every_memory_holds_is_found_too(world: World, door: Door) -> None:
    learn(world.scout, ["The walrus naps.", "The walrus eats clams.", "The walrus is Bob's."])
    assert len(ask(door, "walrus", mode="keyword")["items"]) == 3


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("query", ""),
        ("query", "  "),
        ("query", None),
        ("query", 5),
        ("query", "x" * 10_001),
        ("query", "\x00"),
        ("limit", 0),
        ("limit", 51),
        ("limit", "many"),
        ("mode", "psychic"),
        ("subject", "x" * 129),
        ("subject", 5),
        ("top_k", 5),
    ],
)
def test_a_wrong_question_is_refused(world: World, door: Door, field: str, value: Any) -> None:
    api, path = door
    answer = api.post(path, {"query": "walrus", field: value})
    assert refused(answer, 400, "VALIDATION_ERROR")["param"] == field


@pytest.mark.parametrize("query", ["'; DROP TABLE", "%s %(x)s", "\\", "🦭", "a" * 9_999, "?"])
def test_any_words_may_be_asked_for(world: World, door: Door, query: str) -> None:
    learn(world.scout)
    ask(door, query)


def test_a_subject_finds_their_own_and_everyones(world: World, door: Door) -> None:
    learn(world.scout, ["The walrus is everyone's."])
    learn(world.scout, ["The walrus is Ada's."], subject="ada")
    learn(world.scout, ["The walrus is Bob's."], subject="bob")
    assert contents(ask(door, "walrus")) == ["The walrus is everyone's."]
    assert set(contents(ask(door, "walrus", subject="ada"))) == {
        "The walrus is everyone's.",
        "The walrus is Ada's.",
    }


def test_another_orgs_memories_are_never_found(world: World, door: Door) -> None:
    learn(world.spy, ["The walrus is a spy."])
    assert contents(ask(door, "walrus")) == []
    learn(world.scout, ["The walrus is a scout."])
    assert contents(ask(door, "walrus")) == ["The walrus is a scout."]


def test_the_body_may_name_the_agent(world: World, api: MakeApi, memory_urls: None) -> None:
    learn(world.scout)
    caller = api(world.token())
    path = "/v1/memories/search"
    body = {"query": "parrot", "agent_id": str(world.scout.pk)}
    assert contents(caller.post(path, body).json()) == [FACTS[3]]
    foreign = {"query": "parrot", "agent_id": str(world.spy.pk)}
    refused(caller.post(path, foreign), 403, "AGENT_NOT_AUTHORIZED")
    both = caller.post(path, body, X_IBEX_Agent_ID=str(world.spy.pk))
    refused(both, 403, "AGENT_NOT_AUTHORIZED")
    wrong = {"query": "parrot", "agent_id": "nonsense"}
    assert refused(caller.post(path, wrong), 400, "VALIDATION_ERROR")["param"] == "agent_id"
