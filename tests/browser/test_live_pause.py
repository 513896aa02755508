"""Whoever pauses live updates is not asked by the clock either; without a socket the page looks."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.conftest import ROOT

FILES = {
    "/htmx.js": ROOT / "static/vendor/htmx-2.0.11/htmx.min.js",
    "/live.js": ROOT / "static/ibex/live.js",
}
PAGE = """<!doctype html>
<div id="live-state" hidden><span data-live-words></span>
  <button type="button" data-live-pause>Pause</button></div>
<div id="job" data-live="job:1" hx-get="/poll" hx-trigger="every 100ms, live">As it was</div>
<div id="row" data-live="job:2" hx-get="/row" hx-trigger="live">As it was</div>
<button id="act" hx-get="/act" hx-target="#job">Act</button>
<script src="/htmx.js"></script><script src="/live.js"></script>"""


@pytest.fixture
def asked() -> list[str]:
    return []


@pytest.fixture
def page(browser: Browser, asked: list[str]) -> Page:
    def answer(route: Route) -> None:
        path = urlsplit(route.request.url).path
        if path in FILES:
            route.fulfill(body=FILES[path].read_text(), content_type="text/javascript")
        elif path == "/":
            route.fulfill(body=PAGE, content_type="text/html")
        else:
            asked.append(path)
            route.fulfill(body="As it is", content_type="text/html")

    opened = browser.new_page()
    opened.route("**/*", answer)
    opened.goto("http://console.test/")
    return opened


def test_a_pause_stops_the_clock_and_nothing_else(page: Page, asked: list[str]) -> None:
    page.wait_for_function("document.getElementById('job').textContent === 'As it is'")
    page.get_by_role("button", name="Pause").click()
    page.wait_for_timeout(200)
    asked.clear()
    page.wait_for_timeout(600)
    assert asked == []
    page.locator("#act").click()
    page.wait_for_timeout(200)
    assert asked == ["/act"]
    page.get_by_role("button", name="Resume").click()
    page.wait_for_timeout(600)
    assert asked.count("/poll") >= 2


def test_however_often_the_socket_is_tried_again_the_page_looks_meanwhile(page: Page) -> None:
    expect(page.locator("[data-live-words]")).to_have_text("Live updates paused")
    expect(page.locator("#row")).to_have_text("As it is", timeout=12_000)
