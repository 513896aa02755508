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
    page, part = f"/agents/{world.scout.pk}/", f"/agents/{world.scout.pk}/figures/"
    client = sign_in(world.alice)
    for path in (part, f"{page}?figures=on"):
        text = client.get(path).content.decode()
        assert "Of the newest 1 memory over a week old" in text, path
        assert f'href="{page}memories/?junk=never_recalled">1<' in text, path
        assert f'href="{page}memories/?junk=vague">1<' in text, path
        assert f'href="{page}memories/?junk=transient">0<' in text, path
        assert f'href="/dead-letters/?agent={world.scout.pk}"' in text, path
        assert "0 to learn, 1,234 recalled" in text, path
        assert "up to date" in text, path
        assert ("<html" in text) == (path != part), path
        assert sign_in(world.mallory).get(path).status_code == 404
    assert "1,234 recalled" not in client.get(page).content.decode()


def test_an_agents_page_comes_before_its_calls_are_counted(world: World, sign_in: SignIn) -> None:
    make_call(world.scout, tokens_in=4_321)
    path = f"/agents/{world.scout.pk}/"
    text = sign_in(world.alice).get(path).content.decode()
    assert "4,321" not in text
    assert f'hx-get="{path}figures/"' in text
    assert 'href="?figures=on"' in text
    assert "4,321 in" in sign_in(world.alice).get(f"{path}?figures=on").content.decode()


def test_the_closest_memories_are_named(world: World, sign_in: SignIn) -> None:
    old = timezone.now() - timedelta(days=8)
    for content, angle in (("Ships on Fridays", 1.0), ("Shipping is on Fridays", 0.9)):
        embedding = [angle, 1.0, *[0.0] * 382]
        vector = {"embedding": embedding, "embedding_model": "m", "embedding_dim": 384}
        make_memory(world.scout, content, created_at=old, **vector)
    text = sign_in(world.alice).get(f"/agents/{world.scout.pk}/figures/").content.decode()
    closest = text.split("The closest to each other")[1]
    assert "Ships on Fridays" in closest
    assert "Shipping is on Fridays" in closest
    assert "0.999" in closest
