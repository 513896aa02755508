"""What holds for every page of the console, whoever looks at it and whatever is stored."""

from typing import Any

import pytest
from django.test import Client

from agents.services import create_agent
from ibex.ids import uuid7
from tests.conftest import ROOT, TESTS, SignIn, World
from tests.console.conftest import LISTS, Story, tell_story
from tests.sessions.turns import record_turn

HOSTILE = '<script>alert(1)</script><img src=x onerror=alert(1)> "quoted" \u202e\u2066txt.exe'


def test_every_page_opens(world: World, sign_in: SignIn, story: Story) -> None:
    client = sign_in(world.alice)
    for path in [*LISTS, *story.pages]:
        assert client.get(path).status_code == 200, path


def test_every_page_opens_while_there_is_nothing(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.alice)
    agent = f"/agents/{world.scout.pk}"
    empty = [f"{agent}/", f"{agent}/memories/", f"{agent}/sessions/", f"{agent}/directive/"]
    for path in [*LISTS, *empty]:
        assert client.get(path).status_code == 200, path


def test_a_viewer_sees_everything(world: World, sign_in: SignIn, story: Story) -> None:
    client = sign_in(world.member("viewer"))
    for path in [*LISTS, *story.pages]:
        assert client.get(path).status_code == 200, path


def test_every_page_asks_who_is_there_first(world: World, story: Story) -> None:
    for path in [*LISTS, *story.pages]:
        answer = Client().get(path)
        assert answer.status_code == 302, path
        assert answer["Location"].startswith("/accounts/sign-in/?next="), path


def test_another_orgs_rows_are_missing(world: World, sign_in: SignIn, story: Story) -> None:
    client = sign_in(world.mallory)
    for path in story.pages:
        assert client.get(path).status_code == 404, path
    for path in LISTS:
        answer = client.get(path)
        assert answer.status_code == 200, path
        for secret in (b"Scout", b"Fridays", str(story.session.external_id).encode()):
            assert secret not in answer.content, path


def test_rows_that_never_were_are_missing(world: World, sign_in: SignIn, story: Story) -> None:
    client, known = sign_in(world.alice), [story.session.pk, story.memory.pk, world.scout.pk]
    for path in story.pages:
        (row_id,) = [str(row_id) for row_id in known if str(row_id) in path]
        assert client.get(path.replace(row_id, str(uuid7()))).status_code == 404, path


def test_pages_hold_nothing_inline(
    world: World, sign_in: SignIn, story: Story, settings: Any
) -> None:
    for path in ["/accounts/sign-in/", "/organizations/", *LISTS, *story.pages[:-2]]:
        client = Client() if path == "/accounts/sign-in/" else sign_in(world.alice)
        page = client.get(path).content.decode().replace(settings.PROXY_URL, "")
        for forbidden in ("<script>", "<style", " style=", " onclick=", "javascript:", "http://"):
            assert forbidden not in page, (path, forbidden)


def test_stored_text_is_inert(world: World, sign_in: SignIn) -> None:
    story = tell_story(world, said=HOSTILE, fact=f"Fridays {HOSTILE}", subject="<b>bold</b>\u202e")
    client = sign_in(world.alice)
    for path in [*LISTS, *story.pages[:-2]]:
        page = client.get(path).content.decode()
        assert "<script>" not in page, path
        assert "<img src=x" not in page, path
        assert "<b>" not in page, path
    body = client.get(story.pages[-2])
    assert body["Content-Type"] == "text/plain; charset=utf-8"
    assert body["X-Content-Type-Options"] == "nosniff"


def test_a_word_of_a_megabyte_leaves_every_page_readable(world: World, sign_in: SignIn) -> None:
    story = tell_story(world, said="x" * 1_000_000, fact="Fridays " + "y" * 9_000)
    client = sign_in(world.alice)
    for path in story.pages[:-2]:
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert len(answer.content) < 300_000, path
    assert len(client.get(story.pages[-2]).content) > 1_000_000


QUERIES = {
    "/": 19,
    "/agents/": 11,
    "/memories/": 13,
    "/sessions/": 13,
    "/directives/": 13,
    "/status/": 11,
    "agent": 10,
    "figures": 17,
    "memories": 22,
    "found": 29,
    "sessions": 16,
    "directive": 10,
    "memory": 14,
    "session": 16,
    "why": 17,
}


def test_pages_read_a_fixed_number_of_queries(
    world: World, sign_in: SignIn, story: Story, django_assert_num_queries
) -> None:
    client = sign_in(world.alice)

    def measure() -> None:
        agent, session = f"/agents/{world.scout.pk}", f"/sessions/{story.session.pk}/"
        addresses = {
            "agent": f"{agent}/",
            "figures": f"{agent}/figures/",
            "memories": f"{agent}/memories/",
            "found": f"{agent}/memories/?q=fridays&mode=keyword",
            "sessions": f"{agent}/sessions/",
            "directive": f"{agent}/directive/",
            "memory": f"/memories/{story.memory.pk}/",
            "session": session,
            "why": f"{session}turns/1/why/",
        }
        for name, count in QUERIES.items():
            with django_assert_num_queries(count, info=name):
                client.get(addresses.get(name, name))

    client.get("/")
    measure()
    for number in range(5):
        create_agent(
            org=world.acme, name="More", slug=f"more-{number}", memory_scope="agent", actor=TESTS
        )
        record_turn(story.session, f"And {number}?", injected=story.asked.injected)
    measure()


def test_templates_say_what_they_need() -> None:
    for template in (ROOT / "templates").rglob("*.html"):
        lines = template.read_text().splitlines()
        name = template.relative_to(ROOT / "templates")
        assert lines[0] == f"{{# {name} #}}", name
        assert lines[1].startswith("{# Needs: "), name


def test_no_page_asks_another_host_for_anything() -> None:
    for file in [*(ROOT / "templates").rglob("*.html"), *(ROOT / "static/ibex").iterdir()]:
        text = file.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "://" not in text, file


@pytest.mark.parametrize("path", ["/sessions/?cursor=nonsense", "/memories/?cursor=nonsense"])
def test_a_cursor_that_no_page_gave_is_a_missing_page(
    world: World, sign_in: SignIn, path: str
) -> None:
    assert sign_in(world.alice).get(path).status_code == 404


def test_a_place_that_is_none_is_a_missing_page(
    world: World, sign_in: SignIn, story: Story
) -> None:
    client = sign_in(world.alice)
    for query in ("begin=-1", "begin=x", "raw=99999999999999999999"):
        assert client.get(f"/sessions/{story.session.pk}/?{query}").status_code == 404, query
