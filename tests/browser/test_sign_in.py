"""Signing in with a second factor and with a passkey, in a real browser, wide and narrow."""

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Visit, photograph
from tests.identity.doors import code_of
from tests.stack.conftest import Stack

pytestmark = pytest.mark.timeout(400)

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where screenshots go: a temporary folder, or the one that was asked for."""
    chosen = Path(os.environ.get("IBEX_SCREENSHOTS", tmp_path))
    chosen.mkdir(parents=True, exist_ok=True)
    return chosen


def window(browser: Browser, stack: Stack, width: int) -> Visit:
    """Open a window at the door, on a host name: passkeys know no bare addresses."""
    context = browser.new_context(viewport={"width": width, "height": 900})
    visiting = Visit(context.new_page(), stack.proxy_url.replace("127.0.0.1", "localhost"))
    visiting.watch()
    return visiting


def type_password(visit: Visit, stack: Stack) -> None:
    operator = stack.facts["operator"]
    visit.page.get_by_label("Email address").fill(operator["email"])
    visit.page.get_by_label("Password").fill(operator["password"])
    visit.page.get_by_role("button", name="Sign in", exact=True).click()


def codes_of(secret: str) -> list[str]:
    """Compute what is taken now: each code works once, and clocks may differ by half a minute."""
    return [code_of(secret, time.time() + seconds) for seconds in (30, 0, -30)]


def accessible(page: Page) -> list[str]:
    """Name what axe finds, against WCAG 2.2 A and AA."""
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
    found: Any = Axe().run(page, options={"runOnly": {"type": "tag", "values": tags}})
    return [violation["id"] for violation in found.response["violations"]]


@pytest.fixture
def with_factors(browser: Browser, stack: Stack, folder: Path) -> Iterator[tuple[Visit, str, str]]:
    """Set up an app and a passkey, and take both away again: the stack has other tests."""
    visit = window(browser, stack, 1440)
    page = visit.page
    keys = page.context.new_cdp_session(page)
    keys.send("WebAuthn.enable")
    keys.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    visit.open("/settings/me/")
    type_password(visit, stack)
    page.get_by_role("link", name="Set up an app").click()
    page.get_by_label("Password").fill(stack.facts["operator"]["password"])
    page.get_by_role("button", name="Confirm").click()
    secret = page.locator("#totp-key").inner_text()
    assert accessible(page) == []
    code = code_of(secret)
    page.get_by_label("Authenticator code").fill(code)
    page.get_by_role("button", name="Activate").click()
    expect(page.locator("#recovery-codes li")).to_have_count(10)
    visit.open("/accounts/passkeys/add/")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_text("signs in alone")).to_be_visible()
    assert accessible(page) == []
    photograph(visit, "me", folder)
    yield visit, secret, code
    visit.open("/accounts/second-factor/app/remove/")
    page.get_by_role("button", name="Remove the authenticator app").click()
    page.get_by_role("link", name=re.compile("^Remove Passkey")).click()
    page.get_by_role("button", name="Remove the passkey").click()
    expect(page.get_by_role("link", name="Set up an app")).to_be_visible()
    page.context.close()


def test_an_operator_signs_in_by_code_and_by_passkey(
    browser: Browser, stack: Stack, with_factors: tuple[Visit, str, str], folder: Path
) -> None:
    owner, secret, first = with_factors
    used = [first]
    for width in (1440, 390):
        visit = window(browser, stack, width)
        visit.open("/agents/")
        assert accessible(visit.page) == []
        type_password(visit, stack)
        expect(visit.page.get_by_role("heading", name="Second factor")).to_be_visible()
        assert accessible(visit.page) == []
        used.append(next(code for code in codes_of(secret) if code not in used))
        visit.page.get_by_label("Code").fill(used[-1])
        visit.page.get_by_role("button", name="Sign in", exact=True).click()
        expect(visit.page.get_by_role("heading", name="Agents", exact=True)).to_be_visible()
        expect(visit.page).to_have_url(f"{visit.base}/agents/")
        width_of_page = visit.page.evaluate("document.documentElement.scrollWidth")
        assert width_of_page <= width
        assert (visit.complaints, visit.strangers) == ([], [])
        visit.page.context.close()

    page = owner.page
    owner.open("/accounts/sign-out/")
    page.get_by_role("main").get_by_role("button", name="Sign out").click()
    owner.open("/accounts/sign-in/?next=/sessions/")
    photograph(owner, "sign-in", folder)
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("heading", name="Sessions", exact=True)).to_be_visible()
    owner.open("/accounts/confirm/")
    page.get_by_role("link", name="Use a security key").click()
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", name="Overview", exact=True)).to_be_visible()
    assert (owner.complaints, owner.strangers) == ([], [])
