"""The list of agents, and one agent's page."""

from datetime import timedelta

from django.utils import timezone

from agents.services import create_agent
from tests.api.rows import make_call, make_dead_letter, make_memory, make_session
from tests.conftest import TESTS, SignIn, World
from tests.console.conftest import Story


def test_the_list_of_agents_pages_by_keyset(world: World, sign_in: SignIn) -> None:
    for number in range(60):
        create_agent(
            org=world.acme,
            name=f"Agent {number:02}",
            slug=f"agent-{number}",
            memory_scope="agent",
            actor=TESTS,
        )
    client = sign_in(world.alice)
    first = client.get("/agents/").content.decode()
    assert "Agent 59" in first
    assert "Scout" not in first
    link = first.split('rel="next"')[0].rsplit('href="', 1)[1].split('"')[0]
    second = client.get(link).content.decode()
    assert "Scout" in second
    assert "Agent 59" not in second


def test_a_cursor_that_no_page_gave_is_a_missing_page(world: World, sign_in: SignIn) -> None:
    assert sign_in(world.alice).get("/agents/?cursor=nonsense").status_code == 404


def test_an_agents_page_leads_to_all_it_has(world: World, sign_in: SignIn, story: Story) -> None:
    text = sign_in(world.alice).get(f"/agents/{world.scout.pk}/").content.decode()
    for place in ("memories", "sessions", "directive"):
        assert f'href="/agents/{world.scout.pk}/{place}/"' in text
    assert "The team ships on Fridays." in text
    assert story.session.external_id in text
    assert "version 1" in text
    assert "shared by all its users" in text


def test_an_agents_page_says_what_its_memories_are_good_for(world: World, sign_in: SignIn) -> None:
    make_memory(world.scout, "Old", created_at=timezone.now() - timedelta(days=8))
    make_dead_letter(make_session(world.scout))
    make_call(world.scout, context_tokens=1_234)
    path = f"/agents/{world.scout.pk}/"
    text = sign_in(world.alice).get(path).content.decode()
    assert "1 of 1" in text
    assert f'href="/dead-letters/?agent={world.scout.pk}"' in text
    assert "0 to learn, 1,234 recalled" in text
    assert "up to date" in text
    assert sign_in(world.mallory).get(path).status_code == 404
