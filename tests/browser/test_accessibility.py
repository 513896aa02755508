"""No page of the console has an accessibility fault that axe finds, light or dark, wide or narrow.

Pages are found by walking the URLconf, so none can be forgotten. Django answers the browser's
requests in this process: the pages are real, and so are their scripts and styles; there is no
server in between.
"""

import re
from collections.abc import Iterator
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import axe_playwright_python
import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver
from playwright.sync_api import Browser, Page, Route

from agents.services import create_agent
from ibex.ids import uuid7
from ibex.tenancy import tenant
from orgs.invitations import invite
from orgs.models import AuditEvent, Membership, Token
from orgs.permissions import ALL
from tests.api.rows import make_dead_letter, make_job, make_memory
from tests.browser.conftest import Theme
from tests.conftest import FULL, TESTS, SignIn, World
from tests.console.conftest import Story, console_urls, quick_passwords, story

__all__ = ["console_urls", "quick_passwords", "story"]

pytestmark = [pytest.mark.timeout(900), pytest.mark.django_db]

BASE = "http://testserver"
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN = "async rules => (await axe.run(document, {runOnly: rules})).violations"
WIDE, NARROW = (1440, 1000), (390, 844)
LOOKS: tuple[tuple[tuple[int, int], Theme], ...] = (
    ((WIDE, "light"), (WIDE, "dark"), (NARROW, "light"), (NARROW, "dark"))
    if FULL
    else ((WIDE, "light"), (NARROW, "dark"))
)
"""Both sizes in both themes; in a quick run each once. The last one is narrow."""

NO_PAGE = {
    "/api/v1/archives/<str:signed>": "a file",
    "/accounts/password/^reset/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$": "a link of a mail",
    "/accounts/sso/<str:provider_id>/": "needs a provider",
    "/accounts/sso/<str:provider_id>/back/": "needs a provider",
    "/accounts/passkeys/<int:pk>/rename/": "needs a passkey",
    "/accounts/passkeys/<int:pk>/remove/": "needs a passkey",
}
"""Patterns that cannot be opened by an address alone, and why."""


@dataclass
class Desk:
    """A browser window whose requests Django answers, as a signed-in owner or as nobody."""

    page: Page
    client: Client
    context: Context = field(default_factory=copy_context)

    def answer(self, route: Route) -> None:
        """Answer one request of the page, with the database connection of the test."""
        self.context.copy().run(self._answer, route)

    def _answer(self, route: Route) -> None:
        asked = route.request
        parts = urlsplit(asked.url)
        headers = {k: v for k, v in asked.headers.items() if k in {"hx-request", "accept"}}
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        response: Any = self.client.generic(asked.method, path, headers=headers)
        body = b"".join(response) if response.streaming else response.content
        route.fulfill(status=response.status_code, headers=dict(response.items()), body=body)

    def faults(self, where: str) -> list[str]:
        """Run axe in every look."""
        found = []
        for (width, height), theme in LOOKS:
            self.page.set_viewport_size({"width": width, "height": height})
            self.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            for fault in self.page.evaluate(RUN, RULES):
                nodes = [" ".join(map(str, node["target"])) for node in fault["nodes"][:3]]
                found.append(f"{where} {width} {theme}: {fault['id']} at {nodes}")
        return found

    def wide_as_the_window(self) -> bool:
        """Say whether nothing scrolls sideways on a phone."""
        script = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        return bool(self.page.evaluate(script))

    def open(self, path: str) -> None:
        """Go to a page and bring axe along."""
        self.context = copy_context()
        self.page.goto(f"{BASE}{path}")
        self.page.wait_for_load_state("networkidle")
        self.page.evaluate(AXE)


@pytest.fixture(scope="module", autouse=True)
def beside_the_loop() -> Iterator[None]:
    """Let Django work in this thread, where Playwright has a loop of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield


@pytest.fixture
def desk(browser: Browser) -> Iterator[Desk]:
    context = browser.new_context(bypass_csp=True, viewport={"width": 1440, "height": 1000})
    one = Desk(context.new_page(), Client())
    context.route("**/*", one.answer)
    yield one
    context.close()


def patterns() -> list[tuple[str, URLPattern]]:
    def walk(found: list[Any], prefix: str) -> Iterator[tuple[str, URLPattern]]:
        for pattern in found:
            path = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns, path)
            else:
                yield path, pattern

    return list(walk(import_module("ibex.urls.dashboard").urlpatterns, "/"))


def examples(world: World, story: Story) -> dict[str, str]:
    """An id of each kind, from rows that make full pages."""
    make_memory(world.scout, "Waits for an operator", status="pending_review")
    make_dead_letter(story.session)
    job = make_job(world.scout, state="failed", why="The store refused the write")
    create_agent(org=world.acme, name="Twin", slug="twin", memory_scope="subject", actor=TESTS)
    world.token()
    invitation, secret = invite(
        org=world.acme, email="new@example.com", role="viewer", actor=TESTS, held=ALL
    )
    world.member("viewer")
    with tenant(world.acme):
        token = Token.objects.get()
        event = AuditEvent.objects.filter(org_id=world.acme.pk).latest("at")
        member = Membership.objects.exclude(operator=world.alice).get()
    return {
        "membership_id": str(member.pk),
        "invitation_id": str(invitation.pk),
        "secret": secret,
        "agent_id": str(world.scout.pk),
        "memory_id": str(story.memory.pk),
        "session_id": str(story.session.pk),
        "token_id": str(token.pk),
        "job_id": str(job.pk),
        "index": "1",
        "number": "1",
        "draft_id": str(uuid7()),
        "device_id": "1",
        "lockout_id": "1",
        "view_id": str(uuid7()),
        "request_id": str(uuid7()),
        "event_id": str(event.pk),
    }


def addresses(known: dict[str, str]) -> list[str]:
    """Fill every pattern; a new kind of parameter needs an example above."""
    filled = []
    for pattern, _view in patterns():
        if pattern in NO_PAGE:
            continue
        names = re.findall(r"<(?:\w+:)?(\w+)>", pattern)
        assert not set(names) - set(known), f"{pattern} needs an example id in `examples`"
        filled.append(re.sub(r"<(?:\w+:)?(\w+)>", lambda found: known[found[1]], pattern))
    return filled


def pages(client: Client, paths: list[str]) -> list[str]:
    """Keep the addresses that answer a whole page."""
    return [path for path in paths if b"<html" in _content(client.get(path))]


def _content(response: Any) -> bytes:
    is_page = response.status_code == 200 and "text/html" in response.get("Content-Type", "")
    return cast("bytes", response.content) if is_page and not response.streaming else b""


def test_every_page_of_an_owner_is_free_of_faults(
    desk: Desk, world: World, sign_in: SignIn, story: Story
) -> None:
    desk.client = sign_in(world.alice)
    found = pages(desk.client, addresses(examples(world, story)))
    assert len(found) >= 20, found
    faults: list[str] = []
    for path in found:
        desk.open(path)
        faults += desk.faults(path)
        if not desk.wide_as_the_window():
            faults.append(f"{path} scrolls sideways at {NARROW[0]}")
    assert not faults, "\n".join(faults)


def test_every_page_before_signing_in_is_free_of_faults(
    desk: Desk, world: World, story: Story
) -> None:
    found = pages(desk.client, addresses(examples(world, story)))
    assert "/accounts/sign-in/" in found
    faults: list[str] = []
    for path in found:
        desk.open(path)
        faults += desk.faults(path)
    assert not faults, "\n".join(faults)


def test_what_opens_over_a_page_is_free_of_faults(
    desk: Desk, world: World, sign_in: SignIn, story: Story
) -> None:
    desk.client = sign_in(world.alice)
    faults: list[str] = []
    desk.open("/agents/")
    desk.page.keyboard.press("Control+k")
    desk.page.locator("#palette-list [role=option]").first.wait_for()
    faults += desk.faults("the palette")
    desk.open("/agents/")
    desk.page.keyboard.press("?")
    faults += desk.faults("the keys")
    desk.open(f"/agents/?peek={world.scout.pk}")
    desk.page.locator("#peek-body h2").wait_for()
    faults += desk.faults("the peek")
    desk.open("/agents/#side")
    faults += desk.faults("the drawer")
    desk.open("/agents/?colour=red")
    faults += desk.faults("a filter that is none")
    desk.open("/no/such/page/")
    faults += desk.faults("an error page")
    assert not faults, "\n".join(faults)


def test_axe_finds_a_fault_when_there_is_one(desk: Desk, world: World, sign_in: SignIn) -> None:
    desk.client = sign_in(world.alice)
    desk.open("/agents/")
    assert desk.faults("without") == []
    desk.page.evaluate("document.querySelector('main').innerHTML += '<img src=\"x\">'")
    assert "image-alt" in " ".join(desk.faults("with"))
