"""The frame of every page: the side, the palette, the help, and nothing kept in caches."""

import re

import pytest
from django.test import Client

from ibex.ids import uuid7
from tests.conftest import SignIn, World
from tests.console.conftest import LISTS, Story


def links(text: str) -> list[str]:
    return re.findall(r'href="([^"]+)"', text)


def test_the_side_marks_where_one_is(world: World, sign_in: SignIn, story: Story) -> None:
    client = sign_in(world.alice)
    pages = ["/", "/agents/", "/memories/", "/sessions/", "/directives/"]
    for path, section in [
        *zip(pages, pages, strict=True),
        (f"/agents/{world.scout.pk}/", "/agents/"),
    ]:
        text = client.get(path).content.decode()
        assert re.findall(r'<a href="([^"]+)" aria-current="page"', text)[:1] == [section], path


def test_every_section_that_the_side_shows_opens(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.alice)
    side = client.get("/").content.decode().split('aria-label="Main"')[1].split("</nav>")[0]
    assert len(links(side)) >= 5
    for path in links(side):
        assert client.get(path).status_code == 200, path


def test_a_section_that_a_role_does_not_open_says_so(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.member("viewer"))
    side = client.get("/").content.decode().split('aria-label="Main"')[1].split("</nav>")[0]
    for path in links(side):
        assert client.get(path).status_code == 200, path


def test_what_is_answered_is_kept_nowhere(world: World, sign_in: SignIn, story: Story) -> None:
    client = sign_in(world.alice)
    for path in [*LISTS, *story.pages, "/organizations/", "/palette/", "/help/"]:
        assert client.get(path)["Cache-Control"] == "no-store", path
    assert "no-store" in Client().get("/accounts/sign-in/")["Cache-Control"]


@pytest.mark.parametrize("htmx", [False, True])
def test_the_palette_finds_pages_agents_and_actions(
    world: World, sign_in: SignIn, *, htmx: bool
) -> None:
    client = sign_in(world.alice)
    headers = {"HX-Request": "true"} if htmx else {}
    assert (
        f"/agents/{world.scout.pk}/"
        in client.get("/palette/?q=sco", headers=headers).content.decode()
    )
    assert "/memories/" in client.get("/palette/?q=mem", headers=headers).content.decode()
    assert "/organizations/" in client.get("/palette/?q=switch", headers=headers).content.decode()
    nothing = client.get("/palette/?q=no-such-thing", headers=headers).content.decode()
    assert "Nothing has this name or id." in nothing


def test_the_palette_offers_what_the_role_may_do(world: World, sign_in: SignIn) -> None:
    found = {
        "/memories/new/": ("write a", {"admin", "member"}),
        "/settings/tokens/new/": ("create a token", {"admin"}),
        "/settings/members/": ("invite", {"admin"}),
        f"/agents/{world.scout.pk}/directive/": ("sco", {"admin", "member", "viewer"}),
    }
    for role in ("admin", "member", "viewer"):
        client = sign_in(world.member(role))
        for address, (words, roles) in found.items():
            part = client.get("/palette/", {"q": words}, headers={"HX-Request": "true"})
            assert (f'"{address}"' in part.content.decode()) == (role in roles), (role, address)


def test_the_palette_finds_anything_by_its_id(world: World, sign_in: SignIn, story: Story) -> None:
    client = sign_in(world.alice)
    places = {
        str(world.scout.pk): f"/agents/{world.scout.pk}/",
        str(story.memory.pk): f"/memories/{story.memory.pk}/",
        str(story.session.pk): f"/sessions/{story.session.pk}/",
        story.session.external_id: f"/sessions/{story.session.pk}/",
    }
    for words, place in places.items():
        answer = client.get("/palette/", {"q": words}, headers={"HX-Request": "true"})
        assert f'data-href="{place}"' in answer.content.decode(), words


def test_the_palette_finds_nothing_of_another_org(
    world: World, sign_in: SignIn, story: Story
) -> None:
    client = sign_in(world.mallory)
    for words in (
        world.scout.pk,
        story.memory.pk,
        story.session.pk,
        story.session.external_id,
        "Scout",
    ):
        answer = client.get("/palette/", {"q": str(words)})
        assert b"Nothing has this name or id." in answer.content, words


def test_the_palette_takes_any_words(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.alice)
    for words in ("x" * 5_000, "\0", "%", str(uuid7()), "<b>"):
        assert client.get("/palette/", {"q": words}).status_code == 200, words[:5]


def test_the_palette_reads_a_fixed_number_of_queries(
    world: World, sign_in: SignIn, story: Story, django_assert_num_queries
) -> None:
    client = sign_in(world.alice)
    client.get("/palette/?q=Scout")
    with django_assert_num_queries(14):
        client.get("/palette/", {"q": str(uuid7())})


def test_anonymous_is_asked_to_sign_in(world: World) -> None:
    for path in ("/palette/?q=a", "/help/"):
        assert Client().get(path).status_code == 302, path


def test_an_error_page_names_the_request(world: World, sign_in: SignIn) -> None:
    answer = sign_in(world.alice).get("/no/such/page/")
    assert answer.status_code == 404
    assert answer["X-Request-ID"] in answer.content.decode()
