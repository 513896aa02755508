"""Many memories are changed at once: exactly those that were confirmed, at once or as a job."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit, Window, portray
from tests.browser.crowd import Crowd
from tests.browser.filling import LETTERS, WIDTHS

pytestmark = pytest.mark.timeout(400)

PREFERENCES = 10
"""How many of the archivist's memories are of this kind."""


def narrow_to_preferences(page: Page) -> None:
    """Leave the archivist's preferences, by facets: with scripts each of them swaps the list."""
    for done, (name, value) in enumerate([("Agent", "Archivist"), ("Category", "Preference")]):
        page.locator("summary.facet-name", has_text=name).click()
        page.locator(".facet-menu[open]").get_by_role("link", name=value).click()
        expect(page.locator(".condition")).to_have_count(done + 1)
    expect(page.locator("#results tbody tr")).to_have_count(PREFERENCES)


def tick_two(page: Page) -> list[str]:
    """Tick the first and the third row; return their words."""
    rows = [page.locator("#results tbody tr").nth(place) for place in (0, 2)]
    for row in rows:
        row.locator("input[name=ids]").check()
    return [row.locator("a.content").inner_text() for row in rows]


def confirm(page: Page, says: str) -> None:
    """Say why, on the page that says how many."""
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{says}?")
    page.get_by_label("Reason").fill("The shelf is full")
    page.get_by_role("button", name=says).click()


def undo(page: Page, count: int) -> None:
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".notice.ok")).to_contain_text(f"Undone: {count} memories are as before.")


def found(visit: Visit, query: str) -> Page:
    """Open a list of memories beside what is being done."""
    beside = visit.page.context.new_page()
    beside.goto(f"{visit.base}/memories/?{query}")
    return beside


@pytest.mark.parametrize("width", list(WIDTHS))
def test_after_a_swap_what_is_ticked_or_matches_is_changed(
    crowd: Crowd, window: Window, width: int
) -> None:
    visit = window(width)
    page = visit.page
    visit.open("/memories/")
    narrow_to_preferences(page)
    expect(page.get_by_role("button", name="Archive…")).to_be_disabled()
    words = tick_two(page)
    expect(page.locator("[data-selected]")).to_have_text("2 ticked")
    portray(visit, "bulk-ticked")
    page.get_by_role("button", name="Archive…").click()
    expect(page.locator(".lines li")).to_have_text(words)
    portray(visit, "bulk-confirm")
    visit.expect_sound()
    confirm(page, "Archive 2 memories")
    expect(page.locator(".notice.ok")).to_contain_text("Archived 2 memories.")
    portray(visit, "bulk-done")
    archived = f"agent={crowd.agents['Archivist']}&status=archived"
    expect(found(visit, archived).locator("[data-announce]")).to_have_text("2 match")
    undo(page, 2)
    expect(found(visit, archived).locator("[data-announce]")).to_have_text("0 match")

    expect(page.locator(".condition")).to_have_count(2)  # the list comes back as it was
    page.get_by_text(f"All {PREFERENCES} matching").click()
    page.get_by_role("button", name="Tag…").click()
    page.get_by_label("Add").fill(f"crate-{width}")
    confirm(page, f"Tag {PREFERENCES} memories")
    expect(page.locator(".notice.ok")).to_contain_text(f"Tagged {PREFERENCES} memories.")
    tagged = found(visit, f"tag=crate-{width}").locator("[data-announce]")
    expect(tagged).to_have_text(f"{PREFERENCES} match")
    undo(page, PREFERENCES)
    gone = found(visit, f"tag=crate-{width}").locator("[data-announce]")
    expect(gone).to_have_text("0 match")
    visit.expect_sound()


def test_without_scripts_two_memories_are_archived(crowd: Crowd, window: Window) -> None:
    visit = window(390, java_script_enabled=False)
    page = visit.page
    visit.open("/memories/")
    narrow_to_preferences(page)
    words = tick_two(page)
    page.get_by_role("button", name="Archive…").click()
    expect(page.locator(".lines li")).to_have_text(words)
    confirm(page, "Archive 2 memories")
    expect(page.locator(".notice.ok")).to_contain_text("Archived 2 memories.")
    undo(page, 2)
    assert (visit.complaints, visit.strangers) == ([], [])


@pytest.mark.parametrize("width", list(WIDTHS))
def test_a_job_is_followed_from_its_page_the_list_and_the_bell(
    crowd: Crowd, window: Window, width: int
) -> None:
    visit = window(width)
    page = visit.page
    visit.open(f"/memories/?agent={crowd.agents[f'Postman {width}']}")
    page.get_by_text(f"All {LETTERS} matching").click()
    page.get_by_role("button", name="Archive…").click()
    expect(page.locator("main")).to_contain_text("in the background")
    confirm(page, f"Archive {LETTERS} memories")
    expect(page).to_have_url(re.compile("/jobs/"))
    job = page.url
    moving = page.locator(".job-progress .num", has_text=re.compile(r"^[1-9]\d* of"))
    expect(moving).to_be_visible(timeout=60_000)
    portray(visit, "job-running")

    visit.open("/jobs/")
    row = page.locator("#results tbody tr").first
    expect(row).to_contain_text(f"Archive {LETTERS} memories")
    length = page.evaluate("history.length")
    expect(row).to_contain_text(f"{LETTERS} of {LETTERS}", timeout=60_000)
    expect(row).to_contain_text("done")
    portray(visit, "jobs")
    assert page.evaluate("history.length") == length
    page.reload()
    bell = page.locator("#bell")
    expect(bell).to_have_attribute("aria-label", "Jobs, 1 ended since you looked")
    row.get_by_role("link").first.click()
    expect(page.locator("#peek-body")).to_contain_text(f"Archive {LETTERS} memories")
    page.locator("[data-peek-page]").click()
    expect(page).to_have_url(job)
    expect(page.locator(".job-progress .num")).to_have_text(f"{LETTERS} of {LETTERS}")
    portray(visit, "job-done")
    page.reload()
    expect(bell).to_have_attribute("hx-trigger", "every 30s")
    expect(bell).to_have_attribute("aria-label", "Jobs")
    visit.expect_sound()
