"""An operator makes a token, a client uses it, and the moment it is revoked it opens nothing."""

import time

import openai
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Window, portray
from tests.browser.crowd import Crowd
from tests.browser.filling import WIDTHS

pytestmark = pytest.mark.timeout(400)

REFUSED_WITHIN_S = 2.0


@pytest.mark.parametrize("width", list(WIDTHS))
def test_a_token_is_made_used_revoked_and_refused(crowd: Crowd, window: Window, width: int) -> None:
    name = f"Kiosk {width}"
    visit = window(width)
    page = visit.page
    visit.open("/settings/tokens/")
    page.get_by_role("link", name="New token").click()
    page.get_by_label("Name").fill(name)
    page.locator("#id_agent").select_option(label="Concierge")
    portray(visit, "token-new")
    visit.expect_sound()
    page.get_by_role("button", name="Create the token").click()
    secret = page.locator("#secret").inner_text()
    assert secret.startswith("ibex_pat_")
    portray(visit, "token-secret")
    visit.expect_sound()
    assert crowd.ask("Concierge", "Hello there", token=secret).http_response.status_code == 200

    page.reload()  # the browser sends the form once more
    expect(page.get_by_role("alert").last).to_contain_text("was created already")
    expect(page.locator("body")).not_to_contain_text(secret)
    assert ["409" in said for said in visit.complaints] == [True]
    visit.complaints.clear()
    page.get_by_role("link", name="Tokens", exact=True).first.click()
    row = page.locator("#results tr", has_text=name)
    expect(row).to_contain_text("active")
    expect(page.locator("body")).not_to_contain_text(secret)

    row.get_by_role("link", name="Revoke").click()
    expect(page.get_by_role("heading", name=f"Revoke {name}?")).to_be_visible()
    page.get_by_label("Reason").fill("The kiosk is gone")
    portray(visit, "token-revoke")
    visit.expect_sound()
    page.get_by_role("button", name=f"Revoke {name}").click()
    revoked = time.monotonic()
    with pytest.raises(openai.AuthenticationError):
        while time.monotonic() - revoked < REFUSED_WITHIN_S:
            crowd.ask("Concierge", "Hello again", token=secret)
    assert time.monotonic() - revoked < REFUSED_WITHIN_S
    assert crowd.ask("Concierge", "Hello others").http_response.status_code == 200
    expect(page.locator(".notice.ok")).to_contain_text(f"{name} is revoked")
    expect(row).to_contain_text("revoked")
    portray(visit, "tokens")
    visit.expect_sound()
