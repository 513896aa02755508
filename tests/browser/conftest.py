"""A real browser before a real stack: Debian's Chromium, driven by Playwright."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.crowd import Crowd, gather
from tests.browser.filling import WIDTHS
from tests.stack.conftest import Stack, running_stack

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
]
Theme = Literal["light", "dark"]


@dataclass
class Visit:
    """One signed-in browser window, and everything it complained about or asked elsewhere for."""

    page: Page
    base: str
    complaints: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Listen from the first page on."""
        host = urlsplit(self.base).netloc
        self.page.on(
            "console",
            lambda said: (
                self.complaints.append(said.text) if said.type in {"error", "warning"} else None
            ),
        )
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "request",
            lambda request: (
                None if urlsplit(request.url).netloc == host else self.strangers.append(request.url)
            ),
        )

    def open(self, path: str) -> None:
        """Go to a page of the console."""
        self.page.goto(f"{self.base}{path}")

    def expect_sound(self) -> None:
        """Nothing was complained about or asked elsewhere, and nothing is wider than the window."""
        assert (self.complaints, self.strangers) == ([], [])
        wide = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{self.page.url} is {wide} px wider than its window"


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """One stack for all of this worker's visits: nobody here stops it."""
    with running_stack() as running:
        yield running


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Start Chromium once; without it the tests are skipped here, never in CI.

    It goes with the last test of this package: Playwright leaves a loop in the thread, which other
    tests take for their own.
    """
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("CI installs chromium; it is not on PATH.")
        pytest.skip("chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture
def visit(browser: Browser, stack: Stack) -> Iterator[Visit]:
    """Open a window and sign in as the operator of `make up`."""
    size = {"width": 1440, "height": 1000}
    context = browser.new_context(viewport=size, reduced_motion="reduce")
    visiting = Visit(context.new_page(), stack.proxy_url)
    visiting.watch()
    visiting.open("/")
    visiting.page.get_by_label("Email address").fill(stack.facts["operator"]["email"])
    visiting.page.get_by_label("Password").fill(stack.facts["operator"]["password"])
    visiting.page.get_by_role("button", name="Sign in", exact=True).click()
    visiting.page.get_by_role("heading", name="Overview").wait_for()
    yield visiting
    context.close()


Window = Callable[..., Visit]


@pytest.fixture(scope="session")
def crowd(stack: Stack) -> Crowd:
    """An organization with many rows, and an owner of its own."""
    return gather(stack)


@pytest.fixture
def window(browser: Browser, crowd: Crowd) -> Iterator[Window]:
    """Open windows of the crowd's owner, as wide as is asked for; they close after the test."""
    contexts = []

    def _open(width: int, **options: Any) -> Visit:
        size = {"width": width, "height": WIDTHS[width]}
        options = {"viewport": size, "reduced_motion": "reduce", **options}
        contexts.append(browser.new_context(storage_state=crowd.sign_in(browser), **options))
        visiting = Visit(contexts[-1].new_page(), crowd.stack.proxy_url)
        visiting.watch()
        return visiting

    yield _open
    for context in contexts:
        context.close()


def photograph(visit: Visit, name: str, folder: Path) -> None:
    """Keep how a page looks, wide and narrow, light and dark; the window is as before then."""
    before = visit.page.viewport_size
    for width, height in WIDTHS.items():
        visit.page.set_viewport_size({"width": width, "height": height})
        _photograph(visit.page, name, folder)
    if before:
        visit.page.set_viewport_size(before)


def portray(visit: Visit, name: str) -> None:
    """Keep how a page looks in this window, light and dark, if anybody asked to see it."""
    if asked := os.environ.get("IBEX_SCREENSHOTS"):
        _photograph(visit.page, name, Path(asked))


def _photograph(page: Page, name: str, folder: Path) -> None:
    width = page.evaluate("innerWidth")
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=cast("Theme", theme))
        page.screenshot(path=folder / f"{name}-{width}-{theme}.png", full_page=True)
    page.emulate_media(color_scheme="light")
