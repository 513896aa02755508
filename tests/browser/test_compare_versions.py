"""Two versions side by side: how they are laid out stays in the address."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.test_directive_journey import BASE, push
from tests.stack.conftest import Stack

pytestmark = pytest.mark.timeout(400)


def test_the_layout_outlives_a_reload_and_another_comparison(visit: Visit, stack: Stack) -> None:
    first = push(stack, f"{BASE}\nFirst.")
    second = push(stack, f"{BASE}\nSecond.")
    page, address = visit.page, f"/agents/{stack.facts['agent']}/directive/versions/"
    visit.open(f"{address}?base={first}&head={second}")
    tools = page.locator("#changes .layout")
    expect(tools.get_by_label("Unified")).to_be_checked()
    tools.get_by_text("Split").click()
    expect(page).to_have_url(re.compile(rf"\?base={first}&head={second}&layout=split$"))
    page.reload()
    expect(tools.get_by_label("Split")).to_be_checked()
    tools.get_by_text("Unified").click()
    expect(page).to_have_url(re.compile(rf"\?base={first}&head={second}$"))
    tools.get_by_text("Split").click()
    page.get_by_role("link", name="Swap the sides").click()
    expect(page).to_have_url(re.compile(rf"\?base={second}&head={first}&layout=split$"))
    page.get_by_label(f"Compare from version {first}").check()
    page.get_by_label(f"Compare to version {second}").check()
    page.get_by_role("button", name="Compare the chosen two").click()
    expect(page).to_have_url(re.compile(r"layout=split"))
    expect(tools.get_by_label("Split")).to_be_checked()
    visit.expect_sound()
