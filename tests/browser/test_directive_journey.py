"""Two operators write the same directive: no text is lost, whatever happens, and both end in it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, StorageState, expect

from tests.browser.conftest import Theme, Visit, photograph
from tests.browser.test_journey import WIDTHS, folder
from tests.stack.conftest import Stack

__all__ = ["folder"]

pytestmark = pytest.mark.timeout(400)

BASE = """# Support
The staging cluster is called walrus.

## Answers
Answer in at most ten sentences.
Name the host in every answer.
Never promise a time for a fix."""
THEIRS = BASE.replace("walrus", "narwhal")
MINE = BASE.replace("at most ten sentences", "three bullet points or fewer")
BOTH = THEIRS.replace("at most ten sentences", "three bullet points or fewer")
SIZES = {1440: 1000, 390: 844}


@pytest.fixture
def address(stack: Stack) -> str:
    return f"/agents/{stack.facts['agent']}/directive/"


@pytest.fixture
def began(stack: Stack) -> int:
    """Push the text that both begin from; return its number."""
    return push(stack, BASE)


def push(stack: Stack, content: str) -> int:
    """Push as a colleague would, through the management API."""
    path = f"/api/v1/agents/{stack.facts['agent']}/directive"
    active = stack.api("GET", path)["active_version"]
    body = {
        "content": content,
        "base_version": active["number"] if active else 0,
        "reason": "The cluster moved",
    }
    return int(stack.api("POST", f"{path}/push", body)["number"])


def active_text(stack: Stack) -> str:
    path = f"/api/v1/agents/{stack.facts['agent']}/directive"
    return str(stack.api("GET", path)["active_version"]["content"])


def editor(page: Page) -> Any:
    return page.locator("#id_content")


def saved(page: Page) -> None:
    expect(page.locator("#saved .good")).to_contain_text("Saved")


def throw_away(page: Page, base: str, address: str) -> None:
    """Leave no draft behind for the next test."""
    page.goto(f"{base}{address}")
    button = page.get_by_role("button", name="Throw my draft away")
    if button.is_visible():
        button.click()
        page.get_by_role("button", name="Throw it away").click()


@pytest.fixture
def again(browser: Browser, visit: Visit) -> Iterator[list[BrowserContext]]:
    """Browsers that are started anew after a crash; they go with the test."""
    opened: list[BrowserContext] = []
    yield opened
    for context in opened:
        context.close()


@pytest.mark.parametrize("width", list(SIZES))
def test_two_operators_both_end_in_the_directive(
    stack: Stack, visit: Visit, address: str, began: int, folder: Path, width: int
) -> None:
    page = visit.page
    page.set_viewport_size({"width": width, "height": SIZES[width]})
    visit.open(address)
    editor(page).fill(MINE)
    saved(page)
    expect(page.locator("#size")).to_have_text(str(len(MINE.encode())))
    expect(page.locator(".mirror div")).to_have_count(MINE.count("\n") + 1)
    photograph(visit, "directive-editor", folder)
    page.set_viewport_size({"width": width, "height": SIZES[width]})
    page.get_by_role("button", name="Review changes").click()
    expect(page.get_by_role("heading", name=f"Review version {began + 1}")).to_be_visible()
    expect(page.locator("#changes ins")).to_have_text("three bullet points or fewer.")
    photograph(visit, "directive-review", folder)
    page.set_viewport_size({"width": width, "height": SIZES[width]})

    theirs = push(stack, THEIRS)
    page.get_by_label("Reason").fill("Shorter answers")
    page.get_by_role("button", name="Push version").click()
    alert = page.get_by_role("alert").filter(has_text="was pushed while you wrote")
    expect(alert).to_contain_text("The cluster moved")
    expect(page.locator("#theirs ins")).to_have_text("narwhal.")
    expect(page.locator("#mine ins")).to_have_text("three bullet points or fewer.")
    expect(editor(page)).to_have_value(MINE)
    assert active_text(stack) == THEIRS
    photograph(visit, "directive-conflict", folder)
    page.set_viewport_size({"width": width, "height": SIZES[width]})

    editor(page).fill(BOTH)
    saved(page)
    page.get_by_role("button", name="Go on with my text").click()
    expect(page.locator("#changes del")).to_have_text("at most ten sentences.")
    page.get_by_label("Reason").fill("Shorter answers")
    page.get_by_role("button", name="Push version").click()
    expect(page.locator(".notice.ok")).to_contain_text("is active from the next request on")
    assert active_text(stack) == BOTH
    expect(page.locator("#push")).to_contain_text("1 of 1 in sync", timeout=10_000)
    photograph(visit, "directive-push", folder)
    page.set_viewport_size({"width": width, "height": SIZES[width]})

    page.get_by_role("link", name="Versions").click()
    photograph(visit, "directive-versions", folder)
    page.set_viewport_size({"width": width, "height": SIZES[width]})
    page.get_by_role("link", name=f"Version {theirs}", exact=True).click()
    page.get_by_label("Reason").fill("The bullet points were too few")
    page.get_by_role("button", name=f"Roll back to version {theirs}").click()
    expect(page.locator(".notice.ok")).to_contain_text(f"a copy of version {theirs}")
    assert active_text(stack) == THEIRS
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= width
    assert visit.strangers == []
    assert [said for said in visit.complaints if "409" not in said] == []


def test_a_draft_survives_a_reload(visit: Visit, address: str, began: int) -> None:
    page = visit.page
    visit.open(address)
    editor(page).fill(MINE)
    saved(page)
    page.reload()
    expect(editor(page)).to_have_value(MINE)
    throw_away(page, visit.base, address)
    expect(editor(page)).to_have_value(BASE)


def test_what_the_server_never_got_survives_a_crash_of_the_browser(
    browser: Browser, visit: Visit, again: list[BrowserContext], address: str, began: int
) -> None:
    page = visit.page
    visit.open(address)
    editor(page).fill(MINE)
    saved(page)
    page.route("**/draft/", lambda route: route.abort())
    editor(page).press_sequentially(" And one thing more.")
    expect(page.locator("#saved")).to_contain_text("kept in this browser")
    state: StorageState = json.loads(json.dumps(page.context.storage_state()))
    page.context.close()  # nothing was said to the server, and no page was left in peace

    later = browser.new_context(storage_state=state)
    again.append(later)
    page = later.new_page()
    page.goto(f"{visit.base}{address}")
    expect(editor(page)).to_have_value(f"{MINE} And one thing more.")
    expect(page.locator("#restored")).to_contain_text("had not been saved")
    saved(page)
    page.reload()
    expect(editor(page)).to_have_value(f"{MINE} And one thing more.")
    expect(page.locator("#restored")).to_be_hidden()
    throw_away(page, visit.base, address)


def test_signing_out_leaves_no_text_in_the_browser(visit: Visit, address: str, began: int) -> None:
    page = visit.page
    visit.open(address)
    page.route("**/draft/", lambda route: route.abort())
    editor(page).fill(MINE)
    kept = "Object.keys(localStorage).filter((key) => key.startsWith('directive-draft:')).length"
    expect(page.locator("#saved")).to_contain_text("kept in this browser")
    assert page.evaluate(kept) == 1
    page.get_by_label("Your account").click()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("Email address").wait_for()
    assert page.evaluate(kept) == 0


def test_a_draft_is_thrown_away_only_when_that_is_confirmed(
    visit: Visit, address: str, began: int
) -> None:
    page = visit.page
    visit.open(address)
    opener = page.get_by_role("button", name="Throw my draft away")
    expect(opener).to_be_hidden()
    editor(page).fill(MINE)
    saved(page)
    page.route("**/draft/", lambda route: route.abort())
    editor(page).press_sequentially(" More.")
    expect(page.locator("#saved")).to_contain_text("kept in this browser")
    opener.click()
    dialog = page.get_by_role("dialog", name="Throw away your draft for")
    expect(dialog).to_contain_text(f"{len(MINE.encode())} bytes, saved")
    expect(page.get_by_role("button", name="Keep it")).to_be_focused()
    assert violations(page) == []
    page.get_by_role("button", name="Keep it").click()
    expect(dialog).to_be_hidden()
    kept = "Object.keys(localStorage).filter((key) => key.startsWith('directive-draft:')).length"
    assert page.evaluate(kept) == 1
    page.reload()
    expect(editor(page)).to_have_value(f"{MINE} More.")
    throw_away(page, visit.base, address)
    expect(editor(page)).to_have_value(BASE)
    expect(opener).to_be_hidden()
    assert page.evaluate(kept) == 0


def test_typing_on_while_it_is_saved_loses_nothing(visit: Visit, address: str, began: int) -> None:
    page = visit.page
    visit.open(address)
    editor(page).fill("")
    for word in ("One", " two", " three", " four"):
        editor(page).press_sequentially(word, delay=120)
        page.wait_for_timeout(700)
    saved(page)
    page.wait_for_timeout(1500)
    expect(page.locator("#saved .bad")).to_have_count(0)
    page.reload()
    expect(editor(page)).to_have_value("One two three four")
    throw_away(page, visit.base, address)
    assert visit.complaints == []


def test_without_scripts_a_directive_is_written_reviewed_and_pushed(
    stack: Stack,
    visit: Visit,
    browser: Browser,
    again: list[BrowserContext],
    address: str,
    began: int,
) -> None:
    state = visit.page.context.storage_state()
    plain = browser.new_context(java_script_enabled=False, storage_state=state)
    again.append(plain)
    page = plain.new_page()
    page.goto(f"{visit.base}{address}")
    editor(page).fill("Answer in verse.")
    page.get_by_role("button", name="Save draft").click()
    expect(page.locator(".notice.ok")).to_contain_text("The draft is saved.")
    expect(editor(page)).to_have_value("Answer in verse.")
    page.get_by_role("button", name="Throw my draft away").click()
    page.get_by_role("button", name="Throw it away").click()
    expect(editor(page)).to_have_value(BASE)
    editor(page).fill("Answer in verse.")
    page.get_by_role("button", name="Review changes").click()
    page.get_by_label("Reason").fill("For the poets")
    page.get_by_role("button", name="Push version").click()
    expect(page.locator(".notice.ok")).to_contain_text("is active")
    assert active_text(stack) == "Answer in verse."


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_accessible_and_fits(
    stack: Stack, visit: Visit, address: str, began: int, theme: Theme
) -> None:
    page = visit.page
    page.emulate_media(color_scheme=theme)
    visit.open(address)
    editor(page).fill(MINE)
    saved(page)
    paths = ["", "review/", "versions/", f"versions/?base=0&head={began}", f"versions/{began}/"]
    paths += [f"pushes/{began}/"]
    found = {}
    for path in paths:
        visit.open(address + path)
        found[path] = violations(page)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)
        page.set_viewport_size({"width": 1440, "height": 1000})
    push(stack, THEIRS)
    visit.open(address + "review/")
    found["conflict"] = violations(page)
    throw_away(page, visit.base, address)
    assert {path: names for path, names in found.items() if names} == {}


def violations(page: Page) -> list[str]:
    """Ask axe for what it finds by WCAG 2.2 A and AA; name each with the first element at fault."""
    options = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
    answer = Axe().run(page, options=options).response
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in answer["violations"]]


def test_changes_are_walked_through_by_key(visit: Visit, address: str, began: int) -> None:
    page = visit.page
    visit.open(address)
    editor(page).fill(BOTH)
    saved(page)
    page.get_by_role("button", name="Review changes").click()
    expect(page.locator(".steps")).to_contain_text("2 changes")
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator(".steps")).to_contain_text("2 of 2")
    page.keyboard.press("k")
    expect(page.locator(".aligned.current").first).to_contain_text("walrus")
    page.get_by_text("Split").click()
    one, other = page.locator(".aligned.changed").first.locator(".half").all()
    left, right = one.bounding_box(), other.bounding_box()
    assert left is not None
    assert right is not None
    assert left["y"] == right["y"]
    throw_away(page, visit.base, address)
    assert (visit.complaints, visit.strangers) == ([], [])
