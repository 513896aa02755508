"""The bodies of a turn are copied as they were sent, however little of them a page shows."""

import json

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Window, portray
from tests.browser.crowd import Crowd
from tests.browser.filling import WIDTHS

pytestmark = pytest.mark.timeout(400)

SAID = "  Grüße  an\nalle,\t<b>und</b>  " + "walrus " * 40_000
ALLOWED = ["clipboard-read", "clipboard-write"]


@pytest.mark.parametrize("width", list(WIDTHS))
def test_each_body_is_copied_to_the_letter(crowd: Crowd, window: Window, width: int) -> None:
    name = f"copied-{width}"
    crowd.ask("Concierge", SAID, session=name)
    visit = window(width, permissions=ALLOWED)
    page = visit.page
    visit.open("/sessions/")
    path = page.get_by_role("link", name=name, exact=True).first.get_attribute("href")
    visit.open(f"{path}?view=raw")
    copied = {}
    for part in ("request", "answer"):
        button = page.get_by_role("button", name=f"Copy the {part} of turn 0 as it was sent")
        button.click()
        expect(page.locator("#polite")).to_have_text("Copied.")
        expect(button).to_have_class("button copied")
        copied[part] = page.evaluate("navigator.clipboard.readText()")
        whole = page.request.get(f"{visit.base}{path}turns/0/{part}/")
        assert copied[part] == whole.text()
        page.evaluate("document.getElementById('polite').textContent = ''")
    assert json.loads(copied["request"])["messages"][-1]["content"] == SAID
    assert json.loads(copied["answer"])["choices"]
    assert len(page.locator(".raw pre").first.inner_text()) < len(copied["request"])
    portray(visit, "session-raw")
    visit.expect_sound()
