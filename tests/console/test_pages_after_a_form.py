"""Pages that are rendered in answer to a form: every way on from them leads to a page."""

from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import pytest
from django.test import Client

from memories.models import Memory
from memories.services import write_memory
from tests.api.rows import make_member
from tests.conftest import TESTS, SignIn, World
from tests.console.conftest import Story
from tests.console.route_table import ORG
from tests.console.routes import Known, known
from tests.console.test_route_matrix import Matrix

__all__ = ["known"]
HTMX = {"HX-Request": "true"}
INBOX = "/memories/review/"


class Ways(HTMLParser):
    """Where a page leads by GET, seen from its own address."""

    def __init__(self, path: str, text: str) -> None:
        super().__init__()
        self.path, self.found = path, set[str]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "form" and said.get("method", "get") == "get":
            said["href"] = said.get("action", self.path)
        for to in (said.get("href"), said.get("hx-get")):
            if to is not None and not to.startswith("#"):
                self.found.add(urljoin(self.path, to).partition("#")[0])


def ways(path: str, answer: Any) -> set[str]:
    """Name the console's addresses that a page offers."""
    found = Ways(path, answer.content.decode()).found
    return {to for to in found if to.startswith("/") and not to.startswith("/static/")}


def nowhere(client: Client, path: str, answer: Any, known: set[str] | None = None) -> list[str]:
    """Name what a page offers that takes no GET; ways that are `known` already lead somewhere."""
    known = set() if known is None else known
    tried = sorted(ways(path, answer) - known)
    dead = [to for to in tried if client.get(to).status_code == 405]
    known.update(set(tried) - set(dead))
    return dead


@pytest.fixture
def alice(world: World, sign_in: SignIn) -> Client:
    return sign_in(world.alice)


@pytest.fixture
def waiting(world: World) -> list[Memory]:
    """What waits for review, the newest first: two pages of it."""
    common = {"agent": world.scout, "actor": TESTS, "subject_key": "budget"}
    write_memory(content="The budget is 10.", pinned=True, **common)
    made = [write_memory(content=f"The budget is {n}0.", **common) for n in range(2, 15)]
    return [one.memory for one in reversed(made)]


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "htmx"])
def test_no_page_after_a_form_leads_nowhere(
    world: World, alice: Client, known: Known, headers: dict[str, str]
) -> None:
    matrix, dead, lead = Matrix(world, known), dict[str, list[str]](), set[str]()
    for pattern in (pattern for pattern, row in ORG.items() if row.post != 405):
        for sent in (matrix.body(pattern), {}):
            answer = matrix.ask("POST", pattern, world.alice, body=sent, headers=headers)
            if "text/html" in answer.get("Content-Type", "") and answer.content:
                found = nowhere(alice, matrix.address(pattern), answer, lead)
                dead[pattern] = [*dead.get(pattern, []), *found]
    assert "/settings/members/invite/" in dead
    assert not {pattern: found for pattern, found in dead.items() if found}


def test_a_refused_invitation_leaves_the_list_usable(world: World, alice: Client) -> None:
    make_member(world.scout)
    path = "/settings/members/invite/"
    answer = alice.post(path, {"email": "no address", "role": "viewer"})
    assert answer.status_code == 400
    assert "/settings/members/?role=viewer" in ways(path, answer)
    assert nowhere(alice, path, answer) == []


def test_an_archive_link_stands_on_the_sessions_own_page(
    alice: Client, known: Known, story: Story
) -> None:
    path = f"/sessions/{known['archived_session_id']}/"
    answer = alice.post(f"{path}archive/", follow=True)
    assert b"Download version 1" in answer.content
    assert answer.redirect_chain == [(path, 302)]
    assert nowhere(alice, path, answer) == []


def test_a_decision_keeps_its_place_in_the_inbox(alice: Client, waiting: list[Memory]) -> None:
    first = alice.get(INBOX, {"focus": str(waiting[1].pk)})
    decide = f"/memories/{waiting[0].pk}/reject/"
    query = f"?focus={waiting[1].pk}"
    assert f'action="{decide}{query}"'.encode() in first.content
    answer = alice.post(decide + query, headers=HTMX)
    assert (
        f'id="case-{waiting[1].pk}" tabindex="-1" data-case data-focus'.encode() in answer.content
    )
    (following,) = [to for to in ways(decide, answer) if "cursor=" in to]
    assert following.startswith(f"{INBOX}?")
    assert nowhere(alice, decide, answer) == []

    second = alice.get(following)
    cursor = second.context["place"]
    shown = [case.waiting.memory for case in second.context["cases"]]
    assert waiting[0] not in shown
    decide = f"/memories/{shown[0].pk}/reject/{cursor}"
    assert f'formaction="{decide}"'.replace("&", "&amp;").encode() in second.content
    answer = alice.post(decide, headers=HTMX)
    assert [case.waiting.memory for case in answer.context["cases"]] == shown[1:]
    decide = f"/memories/{shown[1].pk}/reject/{cursor}"
    assert alice.post(decide)["Location"] == f"{INBOX}{cursor}"


def test_a_case_that_a_link_asks_for_is_shown_however_old_it_is(
    alice: Client, waiting: list[Memory]
) -> None:
    oldest = waiting[-1]

    def shown(**query: str) -> list[Memory]:
        return [case.waiting.memory for case in alice.get(INBOX, query).context["cases"]]

    assert oldest not in shown()
    assert shown(focus=str(oldest.pk)) == [oldest, *waiting[:10]]
    assert shown(focus=str(waiting[3].pk)) == waiting[:10]
    assert shown(focus="no id") == waiting[:10]
    alice.post(f"/memories/{oldest.pk}/reject/")
    assert shown(focus=str(oldest.pk)) == waiting[:10]
