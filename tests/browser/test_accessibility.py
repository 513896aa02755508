"""What opens over a page has no accessibility fault that axe finds, light or dark, wide or narrow.

Django answers the browser's requests in this process: the pages are real, and so are their
scripts and styles; there is no server in between.
"""

from collections.abc import Iterator
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import axe_playwright_python
import pytest
from django.test import Client
from playwright.sync_api import Browser, Page, Route

from tests.browser.conftest import Theme
from tests.conftest import SignIn, World
from tests.console.conftest import Story, console_urls, quick_passwords, story

__all__ = ["console_urls", "quick_passwords", "story"]

pytestmark = [pytest.mark.timeout(900), pytest.mark.django_db]

BASE = "http://testserver"
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN = "async rules => (await axe.run(document, {runOnly: rules})).violations"
SIZES = ((1440, 1000), (390, 844))
THEMES: tuple[Theme, ...] = ("light", "dark")


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
        """Run axe in both themes at both sizes."""
        found = []
        for width, height in SIZES:
            for theme in THEMES:
                self.page.set_viewport_size({"width": width, "height": height})
                self.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
                for fault in self.page.evaluate(RUN, RULES):
                    nodes = [" ".join(map(str, node["target"])) for node in fault["nodes"][:3]]
                    found.append(f"{where} {width} {theme}: {fault['id']} at {nodes}")
        return found

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
