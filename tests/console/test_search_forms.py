"""The search form of every list: what stands in it is sent once, and what is chosen last wins."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

import pytest
from django.test import Client

from memories.filters import MemoryFilter
from tests.conftest import SignIn, World
from tests.console.route_table import ORG
from tests.console.routes import Known, address, known

__all__ = ["known"]


@dataclass
class SearchForm(HTMLParser):
    """What the form `search` of a page sends, wherever on the page it stands."""

    text: str
    visible: dict[str, str] = field(default_factory=dict)
    hidden: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()
        self._is_inside, self._select = False, ""
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._is_inside = said.get("id") == "search"
        elif tag == "option" and self._select and not self.visible[self._select]:
            self.visible[self._select] = said.get("value", "")
        elif "name" in said and said.get("form", "search" if self._is_inside else "") == "search":
            self._keep(tag, said)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._is_inside = False
        elif tag == "select":
            self._select = ""

    def _keep(self, tag: str, said: dict[str, str]) -> None:
        if said.get("type") == "hidden":
            self.hidden[said["name"]] = said["value"]
            return
        self.visible[said["name"]] = "" if tag == "select" else said.get("value") or "2026"
        self._select = said["name"] if tag == "select" else ""


def form_of(client: Client, path: str, **asked: str) -> SearchForm:
    return SearchForm(client.get(path, asked).content.decode())


@pytest.fixture
def lists(world: World, sign_in: SignIn, known: Known) -> list[str]:
    """The address of every page with such a form."""
    client = sign_in(world.alice)
    shown = [address(pattern, known) for pattern, row in ORG.items() if row.get == 200]
    return [path for path in shown if form_of(client, path).visible]


def test_nothing_is_sent_twice(world: World, sign_in: SignIn, lists: list[str]) -> None:
    client = sign_in(world.alice)
    assert len(lists) >= 10
    for path in lists:
        for name, value in form_of(client, path).visible.items():
            form = form_of(client, path, **{name: value})
            assert name in form.visible, (path, name)
            assert not set(form.visible) & set(form.hidden), (path, name)


def test_what_was_chosen_is_kept_where_a_swap_renews_it(
    world: World, sign_in: SignIn, lists: list[str]
) -> None:
    client = sign_in(world.alice)
    for path in lists:
        for name, value in form_of(client, path).visible.items():
            page = client.get(path, {name: value}).content.decode()
            around = page.partition('<div id="results"')[0]
            assert f'type="hidden" name="{name}"' not in around, (path, name)


@pytest.mark.parametrize("of", ["", "/agents/{}"])
def test_more_filters_of_memories_are_a_part_of_the_search(
    world: World, sign_in: SignIn, of: str
) -> None:
    client, path = sign_in(world.alice), f"{of.format(world.scout.pk)}/memories/"
    asked = {"category": "factual", "tag": "team", "pinned": "yes"}
    answer = client.get(path, asked, headers={"HX-Request": "true"})
    form = SearchForm(answer.content.decode())
    assert {*MemoryFilter.asked_below} == {*form.visible}
    assert (form.visible["tag"], form.hidden["category"]) == ("team", "factual")
    assert b"data-more open" in answer.content
    without = client.get(path, {"category": "factual"}, headers={"HX-Request": "true"})
    assert b"data-more>" in without.content
    assert b'value="team"' not in without.content
