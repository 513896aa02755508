"""No page of the console has an accessibility fault that axe finds, light or dark, wide or narrow.

Pages are found by walking the URLconf (`tests/console/routes.py`), so none can be forgotten.
Django answers the browser's requests in this process: the pages are real, and so are their scripts
and styles; there is no server in between.
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

from orgs.models import Operator
from tests.browser.conftest import Theme
from tests.conftest import FULL, SignIn, World
from tests.console.conftest import Story, console_urls, quick_passwords, story
from tests.console.route_table import OPEN
from tests.console.routes import Known, address, confirmed, is_page, known, pages
from tests.identity.conftest import own_counters

__all__ = ["console_urls", "known", "own_counters", "quick_passwords", "story"]

pytestmark = [pytest.mark.timeout(900), pytest.mark.django_db]

BASE = "http://testserver"
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN = """async runOnly => {
  const found = await axe.run(document, {runOnly, resultTypes: ["violations"]});
  return found.violations;
}"""
SETTLED = "!document.querySelector('.htmx-request, [aria-busy=true]')"
WIDE, NARROW = (1440, 1000), (390, 844)
LOOKS: tuple[tuple[tuple[int, int], Theme], ...] = (
    ((WIDE, "light"), (WIDE, "dark"), (NARROW, "light"), (NARROW, "dark"))
    if FULL
    else ((WIDE, "light"), (NARROW, "dark"))
)
"""Both sizes in both themes; in a quick run each once. The last one is narrow."""

BEFORE_SIGNING_IN = [path for path, (stranger, _door) in OPEN.items() if stranger[0] == 200]
BEFORE_SIGNING_IN.remove("/api/v1/archives/<str:signed>")  # a file
WITHOUT_A_FACTOR = ["/accounts/second-factor/app/", "/accounts/second-factor/codes/new/"]
"""Pages that look otherwise, or are there only, for who has no second factor."""


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
        self.page.wait_for_function(SETTLED)
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


def test_every_page_of_an_owner_is_free_of_faults(
    desk: Desk, world: World, sign_in: SignIn, known: Known
) -> None:
    desk.client = confirmed(sign_in(world.alice), world.alice)
    faults: list[str] = []
    for path in pages(desk.client, known).values():
        desk.open(path)
        faults += desk.faults(path)
        if not desk.wide_as_the_window():
            faults.append(f"{path} scrolls sideways at {NARROW[0]}")
    assert not faults, "\n".join(faults)


def test_every_page_before_signing_in_is_free_of_faults(
    desk: Desk, world: World, known: Known
) -> None:
    faults: list[str] = []
    for pattern in BEFORE_SIGNING_IN:
        path = address(pattern, known)
        assert is_page(desk.client.get(path)), path
        desk.open(path)
        faults += desk.faults(path)
    assert not faults, "\n".join(faults)


def test_setting_up_a_first_factor_is_free_of_faults(
    desk: Desk, world: World, sign_in: SignIn
) -> None:
    desk.client = confirmed(sign_in(world.mallory), world.mallory)
    faults: list[str] = []
    for path in WITHOUT_A_FACTOR:
        assert is_page(desk.client.get(path)), path
        desk.open(path)
        faults += desk.faults(path)
    assert not faults, "\n".join(faults)


def test_what_opens_over_a_page_is_free_of_faults(
    desk: Desk, world: World, sign_in: SignIn, story: Story
) -> None:
    desk.client = sign_in(world.alice)
    faults: list[str] = []
    desk.client.get(f"/agents/{world.scout.pk}/")
    desk.open("/agents/")
    desk.page.keyboard.press("Control+k")
    desk.page.get_by_role("group", name="Recent").wait_for()
    desk.page.locator("#palette-list [role=option]").first.wait_for()
    faults += desk.faults("the palette")
    desk.open("/agents/")
    desk.page.keyboard.press("?")
    faults += desk.faults("the keys")
    desk.open(f"/agents/?peek={world.scout.pk}")
    desk.page.locator("#peek-body h2").wait_for()
    faults += desk.faults("the peek")
    desk.open(f"/directives/?pushed_by=tests&peek={world.scout.pk}")
    desk.page.locator("#peek-body h2").wait_for()
    faults += desk.faults("the peek at a directive, more filters open")
    desk.open("/agents/#side")
    faults += desk.faults("the drawer")
    desk.open("/agents/?colour=red")
    faults += desk.faults("a filter that is none")
    desk.open("/no/such/page/")
    faults += desk.faults("an error page")
    assert not faults, "\n".join(faults)


DENSE = ["/", *(f"/{name}/" for name in ("agents", "memories", "sessions", "directives", "audit"))]
DENSE += [f"/settings/{name}/" for name in ("members", "tokens", "me")]
"""Pages of tables and cards."""
ROW = "document.querySelector('tbody tr').getBoundingClientRect().height"


def test_compact_pages_are_denser_and_free_of_faults(
    desk: Desk, world: World, sign_in: SignIn, story: Story
) -> None:
    desk.client = sign_in(world.alice)
    desk.open("/agents/")
    comfortable = desk.page.evaluate(ROW)
    Operator.objects.filter(pk=world.alice.pk).update(density=Operator.Density.COMPACT)
    desk.open("/agents/")
    assert desk.page.evaluate(ROW) < comfortable
    faults: list[str] = []
    for path in [*DENSE, f"/memories/{story.memory.pk}/", f"/sessions/{story.session.pk}/"]:
        desk.open(path)
        faults += desk.faults(path)
        if not desk.wide_as_the_window():
            faults.append(f"{path} scrolls sideways at {NARROW[0]}")
    assert not faults, "\n".join(faults)


def test_axe_finds_a_fault_when_there_is_one(desk: Desk, world: World, sign_in: SignIn) -> None:
    desk.client = sign_in(world.alice)
    desk.open("/agents/")
    assert desk.faults("without") == []
    desk.page.evaluate("document.querySelector('main').innerHTML += '<img src=\"x\">'")
    assert "image-alt" in " ".join(desk.faults("with"))
