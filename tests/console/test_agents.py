"""The list of agents, and one agent's page."""

from agents.services import create_agent
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
