"""Memories in the console: listed, searched and narrowed."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from agents.models import Agent
from agents.services import create_agent
from ibex import http
from ibex.ids import uuid7
from ibex.tenancy import tenant
from memories import filters
from memories.models import Memory
from memories.services import write_memory
from tests.api.rows import make_memory, make_session, make_turn
from tests.conftest import TESTS, SignIn, World
from tests.console.conftest import Story


def path(agent: Agent) -> str:
    return reverse("agent-memories", args=[agent.pk])


def test_an_agents_memories_are_listed_newest_first(world: World, sign_in: SignIn) -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    make_memory(world.scout, "Older fact", created_at=now - timedelta(days=1))
    make_memory(world.scout, "Newer fact", created_at=now, subject="user-7", pinned=True)
    text = sign_in(world.alice).get(path(world.scout)).content.decode()
    assert text.index("Newer fact") < text.index("Older fact")
    assert "user-7" in text
    assert "pinned" in text


def test_a_memory_leads_to_the_turn_it_was_last_heard_in(world: World, sign_in: SignIn) -> None:
    session = make_session(world.scout, "chat-with-ada")
    turns = [make_turn(session, index).pk for index in range(2)]
    make_memory(world.scout, "Heard twice", source_turns=[*turns, uuid7()])
    make_memory(world.scout, "Written down", source="user_provided", source_turns=[uuid7()])
    client = sign_in(world.alice)
    for address in (path(world.scout), "/memories/"):
        rows = [part.split("</tr>")[0] for part in shown(client, address).split("<tr ")[1:]]
        heard, written = (next(r for r in rows if w in r) for w in ("Heard twice", "Written down"))
        assert f'href="/sessions/{session.pk}/turns/1/"' in heard
        assert "chat-with-ada" in heard
        assert "/turns/" not in written
        assert "user provided" in written


def test_the_most_useful_come_first_page_by_page(
    world: World, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "ROWS", 2)
    for usefulness in (0.2, 0.9, 0.5):
        make_memory(world.scout, f"Useful to {usefulness}", usefulness=usefulness)
    client = sign_in(world.alice)
    first = shown(client, path(world.scout), sort="useful")
    assert first.index("Useful to 0.9") < first.index("Useful to 0.5")
    assert "Useful to 0.2" not in first
    assert ">Useful</th>" in first.split('aria-sort="descending"')[1][:20]
    following = re.findall(r'href="([^"]*cursor=[^"]*)"', first)[0].replace("&amp;", "&")
    rest = shown(client, following)
    assert "Useful to 0.2" in rest
    assert "Useful to 0.5" not in rest


def test_an_agents_memories_of_little_use_are_its_own(world: World, sign_in: SignIn) -> None:
    other = create_agent(
        org=world.acme, name="Other", slug="other", memory_scope="agent", actor=TESTS
    )
    old = datetime.now(UTC) - timedelta(days=8)
    make_memory(world.scout, "It rains", created_at=old)
    make_memory(world.scout, "The office is in Oslo", created_at=old, length=3)
    make_memory(other, "It snows", created_at=old)
    client = sign_in(world.alice)
    text = shown(client, path(world.scout), junk="vague")
    assert "Of little use because vague" in text
    assert "It rains" in text
    assert "The office" not in text
    assert "It snows" not in text
    text = shown(client, "/memories/", junk="vague")
    assert "It rains" in text
    assert "It snows" in text


def learn(world: World, *facts: str, **values: Any) -> None:
    for fact in facts:
        write_memory(agent=world.scout, content=fact, actor=TESTS, **values)


def shown(client: Client, address: str, **query: str) -> str:
    """Return the words of the results, without marks."""
    answer = client.get(address, query)
    assert answer.status_code == 200
    return answer.content.decode().replace("<mark>", "").replace("</mark>", "")


def test_words_find_memories_best_first_with_a_score(world: World, sign_in: SignIn) -> None:
    learn(world, "The team ships on Fridays.", "The parrot is called Polly.")
    text = shown(sign_in(world.alice), path(world.scout), q="fridays", mode="keyword")
    assert "ships on Fridays" in text
    assert "Polly" not in text
    assert 'class="bar"' in text
    assert "1 match" in text
    assert "best first" in text


def test_words_that_matched_are_marked(world: World, sign_in: SignIn) -> None:
    learn(world, "The team ships on Fridays.")
    page = sign_in(world.alice).get(path(world.scout), {"q": "fridays", "mode": "keyword"})
    assert b"<mark>Fridays</mark>" in page.content


def test_a_search_by_meaning_asks_the_embedder_outside_of_a_transaction(
    world: World, sign_in: SignIn, embedder: list[tuple[str, bool]]
) -> None:
    learn(world, "The team ships on Fridays.", "The parrot is called Polly.")
    embedder.clear()
    text = shown(sign_in(world.alice), path(world.scout), q="ships on", mode="semantic")
    assert "Fridays" in text
    assert [asked for asked, _ in embedder] == ["ships on"]
    assert not any(inside for _, inside in embedder)
    assert "embedding service is away" not in text


def test_without_the_embedder_a_search_compares_words_and_says_so(
    world: World, sign_in: SignIn
) -> None:
    learn(world, "The team ships on Fridays.")
    text = shown(sign_in(world.alice), path(world.scout), q="fridays", mode="semantic")
    assert "embedding service is away" in text
    assert "ships on Fridays" in text


def test_facets_narrow_a_search_and_a_list(world: World, sign_in: SignIn) -> None:
    learn(world, "The team ships on Fridays.", category="procedural", pinned=True)
    learn(world, "Ada likes Fridays.", category="preference", subject="ada")
    client, address = sign_in(world.alice), path(world.scout)
    for query, team, ada in [
        ({}, True, True),
        ({"category": "procedural"}, True, False),
        ({"pinned": "yes"}, True, False),
        ({"pinned": "no"}, False, True),
        ({"subject": "ada"}, False, True),
        ({"subject": "everyone"}, True, False),
        ({"q": "fridays"}, True, True),
        ({"q": "fridays", "subject": "everyone"}, True, False),
        ({"q": "fridays", "subject": "ada"}, False, True),
        ({"q": "fridays", "category": "preference"}, False, True),
    ]:
        text = shown(client, address, **query)
        assert ("team ships" in text, "Ada likes" in text) == (team, ada), query


def test_what_is_not_active_is_found_by_the_words_it_holds(world: World, sign_in: SignIn) -> None:
    make_memory(world.scout, "Deploys 100% of the time", status="archived")
    client, address = sign_in(world.alice), path(world.scout)
    assert "100%" in shown(client, address, q="100%", status="archived")
    assert "Deploys" not in shown(client, address, q="_", status="archived")
    assert "Deploys" not in shown(client, address, q="100%")
    make_memory(world.scout, "Gone for good", status="deleted")
    assert "Gone for good" not in shown(client, address)
    assert "Gone for good" in shown(client, address, status="deleted")


def test_htmx_gets_the_results_alone_and_a_clean_address(world: World, sign_in: SignIn) -> None:
    learn(world, "The team ships on Fridays.")
    client, address = sign_in(world.alice), path(world.scout)
    query = {"q": "fridays", "category": "", "pinned": ""}
    part = client.get(address, query, headers={"HX-Request": "true"})
    assert b"<html" not in part.content
    assert part.content.strip().startswith(b'<div id="results"')
    assert part["HX-Push-Url"] == f"{address}?q=fridays"
    assert "HX-Request" in part["Vary"]
    for more in ({"HX-Boosted": "true"}, {"HX-History-Restore-Request": "true"}):
        whole = client.get(address, query, headers={"HX-Request": "true", **more})
        assert b"<html" in whole.content


@pytest.mark.parametrize("mode", ["keyword", "semantic", "hybrid"])
def test_the_organizations_list_ranks_what_all_its_agents_know(
    world: World, sign_in: SignIn, embedder: list[tuple[str, bool]], mode: str
) -> None:
    other = create_agent(
        org=world.acme, name="Other", slug="other", memory_scope="subject", actor=TESTS
    )
    learn(world, "The team ships on Fridays.", "The parrot is called Polly.")
    said = "On Fridays Ada ships nothing."
    write_memory(agent=other, content=said, subject="ada", actor=TESTS)
    write_memory(agent=world.spy, content="Mallory ships on Fridays.", actor=TESTS)
    query = {"q": "ships on fridays", "mode": mode}
    client = sign_in(world.alice)
    text = shown(client, "/memories/", **query)
    assert ("team ships" in text, "Ada ships" in text, "Mallory" in text) == (True, True, False)
    one = shown(client, "/memories/", **query, agent=str(other.pk))
    assert ("team ships" in one, "Ada ships" in one) == (False, True)
    assert "Mallory ships" in shown(sign_in(world.mallory), "/memories/", **query)
    times = [text for text, _ in embedder].count("ships on fridays")
    assert times == (0 if mode == "keyword" else 3)


def test_words_may_be_listed_in_another_order(world: World, sign_in: SignIn) -> None:
    for days, fact in enumerate(("Ships on Fridays.", "Rests on Fridays, on all Fridays.")):
        at = datetime(2026, 5, 1, tzinfo=UTC) - timedelta(days=days)
        learn(world, fact)
        with tenant(world.acme.pk):
            Memory.objects.filter(content=fact).update(created_at=at)
    client = sign_in(world.alice)
    text = shown(client, "/memories/", q="fridays", sort="newest")
    assert text.index("Ships on") < text.index("Rests on")
    text = shown(client, "/memories/", q="fridays", sort="oldest")
    assert text.index("Ships on") > text.index("Rests on")
    assert 'class="bar"' not in text
    by_meaning = shown(client, "/memories/", q="fridays", sort="oldest", mode="semantic")
    assert 'class="bar"' in by_meaning
    assert "meaning has no other order" in by_meaning


def test_a_search_of_too_many_agents_says_so(
    world: World, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn(world, "The team ships on Fridays.")
    monkeypatch.setattr(filters, "MAX_AGENTS", 0)
    client = sign_in(world.alice)
    text = shown(client, "/memories/", q="fridays")
    assert "choose one to search by meaning" in text
    assert "team ships" in text
    text = shown(client, "/memories/", q="fridays", agent=str(world.scout.pk))
    assert "best first" in text


def test_an_agent_of_another_organization_is_no_filter(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.alice)
    foreign = client.get("/memories/", {"agent": str(world.spy.pk)})
    assert foreign.status_code == 400
    assert 'role="alert"' in foreign.content.decode().split('id="results"')[1]


@pytest.mark.parametrize(
    "query", [{"q": "x" * 201}, {"q": "\x00"}, {"status": "nonsense"}, {"q": "\ud800"}]
)
def test_an_invalid_filter_is_explained_and_never_an_error(
    world: World, sign_in: SignIn, query: dict[str, str]
) -> None:
    text = {name: value.encode("utf-8", "surrogatepass") for name, value in query.items()}
    answer = sign_in(world.alice).get(path(world.scout), text)
    is_readable = query == {"q": "\ud800"}  # browsers send such a character as another one
    assert answer.status_code == (200 if is_readable else 400)
    assert is_readable or b'role="alert"' in answer.content


def test_pages_go_on_where_the_last_one_ended(
    world: World, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "ROWS", 2)
    for number in range(5):
        make_memory(world.scout, f"Fact {number}")
    client = sign_in(world.alice)
    address, seen = path(world.scout), []
    while address:
        text = client.get(address).content.decode()
        seen += [n for n in reversed(range(5)) if f"Fact {n}" in text]
        make_memory(world.scout, f"Late {len(seen)}")
        before, found, _ = text.partition('rel="next"')
        link = before.rsplit('href="', 1)[1].split('"')[0]
        address = link if found else ""
    assert seen == [4, 3, 2, 1, 0]


def test_the_next_page_keeps_the_filter(
    world: World, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "ROWS", 1)
    for number in range(2):
        make_memory(world.scout, f"Fact {number}", status="archived")
    query = {"q": "fact", "status": "archived"}
    text = sign_in(world.alice).get(path(world.scout), query).content.decode()
    assert "?q=fact&amp;status=archived&amp;cursor=" in text


def test_every_role_reads_memories(world: World, sign_in: SignIn) -> None:
    for role in ("viewer", "member", "admin"):
        assert sign_in(world.member(role)).get(path(world.scout)).status_code == 200


def test_reading_takes_no_post(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.alice)
    for address in ("/", path(world.scout)):
        assert client.post(address).status_code == 405


def test_what_is_ranked_is_not_chosen_whole_and_says_why(
    world: World, sign_in: SignIn, story: Story
) -> None:
    client = sign_in(world.alice)
    path = f"/agents/{world.scout.pk}/memories/"
    ranked = client.get(path, {"q": "fridays"}).content.decode()
    assert 'value="query" disabled aria-describedby="why-not-all"' in ranked
    assert "shows the 50 memories that fit best, not all that match" in ranked
    listed = client.get(path).content.decode()
    assert '<input type="radio" name="scope" value="query">' in listed
    assert "why-not-all" not in listed
