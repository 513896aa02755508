"""A list is where it was: after Back, after a reload, and for whoever is sent its address."""

import re
from dataclasses import dataclass

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Window, portray
from tests.browser.filling import WIDTHS

pytestmark = pytest.mark.timeout(400)


@dataclass(frozen=True)
class Walk:
    """How one list is narrowed, step by step, to its second page, and what stands there then."""

    path: str
    field: str
    words: str
    facet: tuple[str, str] | None
    order: str
    left: int


@dataclass(frozen=True)
class View:
    """What a list shows, and where."""

    url: str
    rows: list[str]
    controls: list[str]


WALKS = [
    Walk("/memories/", "#id_q", "shipment", ("Category", "Factual"), "oldest", 10),
    Walk("/sessions/", "#id_q", "visitor", ("Status", "Completed"), "oldest", 3),
    Walk("/agents/", "#id_name", "clerk", ("Memory scope", "subject"), "", 2),
    Walk("/audit/", "#id_action", "agent.create", None, "", 50),
]


def ids(page: Page) -> list[str]:
    """Name the rows that are shown, in their order."""
    found: list[str] = page.locator("#results tbody tr").evaluate_all("all => all.map(r => r.id)")
    return found


def controls(page: Page, walk: Walk) -> list[str]:
    """Say what the controls show: the words, the order, the conditions, where one is."""
    order = page.locator("#id_sort")
    chosen = page.locator(".condition, .facet-name.chosen, .orders [aria-current], .pager")
    kept = [page.locator(walk.field), *order.all()]
    return [*(one.input_value() for one in kept), *chosen.all_inner_texts()]


def view_of(page: Page, walk: Walk) -> View:
    return View(page.url, ids(page), controls(page, walk))


def narrow_down(page: Page, walk: Walk) -> None:
    """Search, choose a facet and an order, as an operator would; each step swaps the results."""
    page.locator(walk.field).fill(walk.words)
    expect(page.locator(".condition")).to_have_count(1)
    if walk.facet:
        name, value = walk.facet
        page.locator("summary.facet-name", has_text=name).click()
        page.locator(".facet-menu[open]").get_by_role("link", name=value).click()
        expect(page.locator(".condition")).to_have_count(2)
    if walk.order and page.locator("#id_sort").count():
        page.locator("#id_sort").select_option(walk.order)
    elif walk.order:
        page.locator(".orders").get_by_role("link", name=walk.order).click()
    if walk.order:
        expect(page).to_have_url(re.compile(f"sort={walk.order}"))
    expect(page.locator("#results tbody tr")).to_have_count(50)


def expect_view(page: Page, walk: Walk, view: View) -> None:
    """The same address shows the same rows, under the same controls."""
    expect(page).to_have_url(view.url)
    expect(page.locator(f"#{view.rows[0]}")).to_be_visible()
    assert view_of(page, walk) == view


def turn_over(page: Page, walk: Walk) -> View:
    """Go to the next page, and back; the list is what it was, after a reload as well."""
    first = view_of(page, walk)
    page.get_by_role("link", name="Next page").click()
    expect(page.get_by_role("link", name="First page")).to_be_visible()
    second = view_of(page, walk)
    assert len(second.rows) == walk.left
    assert not set(first.rows) & set(second.rows)
    page.go_back()
    expect_view(page, walk, first)
    page.reload()
    expect_view(page, walk, first)
    page.go_forward()
    expect_view(page, walk, second)
    return first


@pytest.mark.parametrize("walk", WALKS, ids=lambda walk: walk.path.strip("/"))
def test_a_list_is_where_it_was(window: Window, walk: Walk) -> None:
    wide, narrow = window(1440), window(390)
    wide.open(walk.path)
    narrow_down(wide.page, walk)
    shared = turn_over(wide.page, walk)
    portray(wide, f"list-{walk.path.strip('/')}")
    wide.expect_sound()

    narrow.page.goto(shared.url)
    expect_view(narrow.page, walk, shared)
    turn_over(narrow.page, walk)
    portray(narrow, f"list-{walk.path.strip('/')}")
    narrow.expect_sound()


def test_what_was_taken_away_stays_away(window: Window) -> None:
    visit = window(1440)
    page = visit.page
    chips, least = page.locator(".condition"), page.locator("#id_confidence_min")
    visit.open("/memories/?q=shipment&category=factual")
    page.locator("summary", has_text="More filters").click()
    least.fill("0.1")
    page.get_by_role("link", name="Remove: Category is factual").click()
    expect(chips).to_have_count(1)
    least.fill("0.2")
    page.get_by_role("button", name="Filter", exact=True).click()
    expect(chips).to_have_count(2)
    expect(least).to_have_value("0.2")
    assert "category=" not in page.url
    page.get_by_role("link", name="Remove: Words").click()
    expect(chips).to_have_count(1)
    expect(page.locator("#id_q")).to_have_value("")

    visit.open("/settings/tokens/")
    page.locator("#id_state").select_option("active")
    expect(chips).to_have_count(1)
    page.locator("#id_name").fill("a")
    expect(chips).to_have_count(2)
    page.get_by_role("link", name="Remove: State").click()
    expect(page.locator("#id_state")).to_have_value("")
    page.locator("#id_name").fill("ab")
    expect(page).to_have_url(re.compile("name=ab$"))
    visit.expect_sound()


ON_TOP = """one => {
  const box = one.getBoundingClientRect();
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  return box.left >= 0 && box.right <= innerWidth && one.contains(document.elementFromPoint(x, y));
}"""
"""Whether an element stands inside the window with nothing over it, and nothing cut off."""


def expect_on_top(found: Locator) -> None:
    expect(found).to_be_visible()
    assert found.evaluate(ON_TOP), f"{found} is cut off, or something is over it"


@pytest.mark.parametrize("width", list(WIDTHS))
def test_what_opens_above_a_list_is_seen(window: Window, width: int) -> None:
    visit = window(width)
    page = visit.page
    visit.open("/memories/?category=preference")
    for facet in page.locator("summary.facet-name").all():
        facet.click()
        expect_on_top(page.locator(".facet-menu[open] a").first)
        portray(visit, "facet")
        facet.click()
    save = page.locator("summary", has_text="Save view")
    save.click()
    expect_on_top(page.get_by_label("Name of the view"))
    portray(visit, "view-save")
    page.get_by_label("Name of the view").fill(f"Likes {width}")
    page.get_by_role("button", name="Save", exact=True).click()
    view = page.get_by_role("link", name=f"Likes {width}")
    expect(view).to_have_attribute("aria-current", "page")
    page.get_by_role("link", name="Remove: Category is preference").click()
    expect(page.locator(".condition")).to_have_count(0)
    page.locator("summary.facet-name", has_text="Status").click()
    page.locator(".facet-menu[open]").get_by_role("link", name="Active").click()
    save.click()
    expect_on_top(page.get_by_label("Name of the view"))
    portray(visit, "view-save-another")
    view.click()
    page.get_by_role("button", name="Delete this view").click()
    expect(page.locator(".notice.ok")).to_be_visible()
    expect(view).to_have_count(0)
    visit.expect_sound()


@pytest.mark.parametrize("width", list(WIDTHS))
def test_a_row_is_looked_into_beside_the_list(window: Window, width: int) -> None:
    visit = window(width)
    page = visit.page
    visit.open("/sessions/?q=visitor")
    page.locator(".orders").get_by_role("link", name="Oldest").click()
    expect(page).to_have_url(re.compile("sort=oldest"))
    peek, title, place = (page.locator(one) for one in ("#peek", "#peek h2", "[data-peek-place]"))
    rows = [row.inner_text() for row in page.locator("#results [data-row-link]").all()[:2]]
    page.get_by_role("link", name=rows[0], exact=True).click()
    expect(title).to_have_text(rows[0])
    expect(place).to_have_text("1 of 50 on this page")
    page.keyboard.press("j")
    expect(title).to_have_text(rows[1])
    expect(place).to_have_text("2 of 50 on this page")
    page.keyboard.press("k")
    expect(title).to_have_text(rows[0])
    page.get_by_role("button", name="Next row").click()
    expect(title).to_have_text(rows[1])
    portray(visit, "session-peek")
    visit.expect_sound()

    shared = page.url
    assert "sort=oldest" in shared
    page.reload()
    expect(title).to_have_text(rows[1])
    expect(place).to_have_text("2 of 50 on this page")
    assert page.url == shared
    page.keyboard.press("Escape")
    expect(peek).to_be_hidden()
    expect(page.get_by_role("link", name=rows[1], exact=True)).to_be_focused()
    assert "peek=" not in page.url
    page.reload()
    expect(page.locator("#results tbody tr")).to_have_count(50)
    expect(peek).to_be_hidden()
    visit.expect_sound()


def test_the_panel_goes_on_past_the_end_of_a_page(window: Window) -> None:
    visit = window(1440)
    page = visit.page
    visit.open("/sessions/?q=visitor&sort=oldest")
    title, place = page.locator("#peek h2"), page.locator("[data-peek-place]")
    page.locator("#results [data-row-link]").last.click()
    expect(place).to_have_text("50 of 50 on this page")
    before = title.inner_text()
    page.keyboard.press("j")
    expect(place).to_have_text("1 of 5 on this page")
    expect(title).not_to_have_text(before)
    now = title.inner_text()
    expect(page).to_have_url(re.compile("cursor=.*peek=|peek=.*cursor="))
    for _row in range(4):
        page.keyboard.press("j")
    expect(place).to_have_text("5 of 5 on this page")
    expect(page.get_by_role("button", name="Next row")).to_be_disabled()
    page.go_back()
    expect(page.locator("#results tbody tr")).to_have_count(50)
    page.go_forward()
    expect(page.locator("#results tbody tr")).to_have_count(5)
    assert now in page.locator("#results [data-row-link]").all_inner_texts()
    visit.expect_sound()
