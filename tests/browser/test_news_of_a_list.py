"""A list says that it has new rows, and shows them when asked: nothing jumps under the hand."""

import pytest
from playwright.sync_api import expect

from ibex.ids import uuid7
from tests.browser.conftest import Visit
from tests.stack.conftest import Stack

pytestmark = pytest.mark.timeout(300)


def make_agent(stack: Stack) -> str:
    name = f"Newcomer {uuid7().hex[-12:]}"
    slug = name.lower().replace(" ", "-")
    body = {"name": name, "slug": slug, "memory_scope": "agent"}
    stack.api("POST", "/api/v1/agents", body)
    return name


def test_new_rows_wait_behind_a_button(stack: Stack, visit: Visit) -> None:
    page = visit.page
    page.clock.install()
    visit.open("/agents/")
    before = page.locator("#results tbody tr").count()
    expect(page.locator("#live-state")).to_be_hidden()  # nothing here is watched
    chip = page.locator("[data-news]")
    page.clock.fast_forward("01:05")
    page.wait_for_load_state("networkidle")
    expect(chip).to_be_hidden()
    first, second = make_agent(stack), make_agent(stack)
    page.clock.fast_forward("01:05")
    expect(chip).to_have_text("2 new, show")
    assert page.locator("#results tbody tr").count() == before
    expect(page.locator("#results")).not_to_contain_text(first)
    chip.click()
    for name in (first, second):
        expect(page.locator("#results")).to_contain_text(name)
    expect(chip).to_be_hidden()
    assert (visit.complaints, visit.strangers) == ([], [])


def test_whoever_turns_it_off_is_left_alone(stack: Stack, visit: Visit) -> None:
    page = visit.page
    page.clock.install()
    visit.open("/agents/")
    page.get_by_label("Look for new rows").select_option("Off")
    visit.open("/agents/")  # it is kept
    expect(page.get_by_label("Look for new rows")).to_have_value("0")
    name = make_agent(stack)
    page.clock.fast_forward("10:00")
    page.wait_for_load_state("networkidle")
    expect(page.locator("[data-news]")).to_be_hidden()
    page.get_by_label("Look for new rows").select_option("30 s")
    page.clock.fast_forward("00:31")
    expect(page.locator("[data-news]")).to_have_text("1 new, show")
    page.locator("[data-news]").click()
    expect(page.locator("#results")).to_contain_text(name)
    assert (visit.complaints, visit.strangers) == ([], [])
