"""What a page of the console links to is there, with the place on it that the link names."""

import contextlib
import html
import re
from urllib.parse import parse_qs, urljoin

import pytest
from django.test import Client
from django.urls import Resolver404, resolve

from tests.conftest import SignIn, World
from tests.console.conftest import Story
from tests.console.routes import Known, confirmed, known, pages
from tests.identity.conftest import own_counters
from tests.sessions.turns import record_turn

__all__ = ["known", "own_counters"]

pytestmark = pytest.mark.django_db

LINK = re.compile(r'<a [^>]*?href="([^"]+)"')
NUMBERS = re.compile(r"[0-9a-f-]+$")


class Reader:
    """Follows links as an owner: one of each route, names in its query and kind of place."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.texts: dict[str, str] = {}
        self.shapes: set[tuple[str, str, str]] = set()

    def is_new(self, target: str, anchor: str) -> bool:
        """Say whether nothing like it was followed yet. An address without a route is new."""
        path, _, query = target.partition("?")
        with contextlib.suppress(Resolver404):
            shape = (resolve(path).route, str(sorted(parse_qs(query))), NUMBERS.sub("", anchor))
            if shape in self.shapes:
                return False
            self.shapes.add(shape)
        return True

    def fault(self, page: str, link: str) -> str | None:
        """Say what is wrong with a link of a page, if anything is."""
        target, _, anchor = urljoin(page, link).partition("#")
        if not target.startswith("/") or target.startswith("/static/"):
            return None
        if not self.is_new(target, anchor):
            return None
        if target not in self.texts:
            answer = self.client.get(target, follow=True)
            if answer.status_code != 200:
                return f"{page}: {link} answers {answer.status_code}"
            self.texts[target] = "" if answer.streaming else answer.content.decode(errors="replace")
        if anchor and f'id="{anchor}"' not in self.texts[target]:
            return f"{page}: nothing in {target} is called {anchor}"
        return None


def test_every_link_leads_to_a_page_and_to_a_place_on_it(
    world: World, sign_in: SignIn, story: Story, known: Known
) -> None:
    record_turn(story.session, "And what do you follow?", directive_version=1)
    client = confirmed(sign_in(world.alice), world.alice)
    reader = Reader(client)
    faults: set[str | None] = set()
    for page in pages(client, known).values():
        text = client.get(page).content.decode()
        faults |= {reader.fault(page, html.unescape(link)) for link in LINK.findall(text)}
    assert len(reader.texts) > 50
    assert not faults - {None}, "\n".join(sorted(map(str, faults - {None})))
