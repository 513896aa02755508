"""An operator finds what an agent learned, sees where it came from, and changes what it does."""

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit, photograph
from tests.stack.conftest import Stack, eventually

pytestmark = pytest.mark.timeout(400)

TOLD = "My favourite drink is dark roast coffee."
SAYING = "The emergency phone number is 4711. Answer in one sentence."
WIDTHS = (390, 768, 1024, 1440, 1920)


def ask(stack: Stack, text: str, **headers: str) -> Any:
    return stack.client(**headers).chat.completions.with_raw_response.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": text}]
    )


@pytest.fixture(scope="module")
def learned(stack: Stack) -> None:
    """Talk to the agent until it has learned, recalled and run a tool."""
    for text in (TOLD, "I work at Acme as a release manager.", "We deploy from walrus-7."):
        ask(stack, text, **{"X-IBEX-Session-ID": "chat-0388"})
    found = "SELECT 1 FROM memories_memory WHERE content ILIKE '%%coffee%%'"
    eventually(lambda: stack.rows(found), 60)
    ask(stack, "What is my favourite drink?", **{"X-IBEX-Session-ID": "chat-0389"})
    messages: Any = [
        {"role": "user", "content": "Which release is live?"},
        {
            "role": "assistant",
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "lookup_release", "arguments": '{"service": "orders"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "4.13.0 since 14:02"},
        {"role": "user", "content": "<script>alert(1)</script> and what do I drink?"},
    ]
    stack.client(**{"X-IBEX-Session-ID": "chat-0389"}).chat.completions.create(
        model="gpt-4o-mini", messages=messages
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where screenshots go: a temporary folder, or the one that was asked for."""
    chosen = Path(os.environ.get("IBEX_SCREENSHOTS", tmp_path))
    chosen.mkdir(parents=True, exist_ok=True)
    return chosen


def test_an_operator_finds_understands_and_steers(
    stack: Stack, learned: None, visit: Visit, folder: Path
) -> None:
    page = visit.page
    photograph(visit, "overview", folder)

    page.get_by_role("link", name="Memories", exact=True).click()
    page.get_by_label("Meaning").check()
    page.get_by_label("Search memories").press_sequentially("which beverage do they like", delay=5)
    row = page.locator("tr", has_text="coffee")
    expect(page.locator("#results")).to_contain_text("best first")
    expect(row).to_be_visible()
    expect(page).to_have_url(
        f"{stack.proxy_url}/memories/?q=which+beverage+do+they+like&mode=semantic"
    )
    photograph(visit, "memories", folder)

    row.get_by_role("link", name="coffee").click()
    expect(page.get_by_role("heading", name="Where it came from")).to_be_visible()
    photograph(visit, "memory", folder)
    page.get_by_role("link", name="Open turn").first.click()
    expect(page.locator("article:target")).to_contain_text(TOLD)
    photograph(visit, "session", folder)

    (recalling,) = stack.rows(
        "SELECT id FROM agent_sessions_session WHERE external_id = 'chat-0389'"
    )
    visit.open(f"/sessions/{recalling['id']}/")
    expect(page.locator("#turn-0 .notes li").first).to_contain_text("dark roast")
    expect(page.locator("#turn-1 .bubble.user").last).to_contain_text("<script>alert(1)</script>")
    photograph(visit, "recalls", folder)

    before = ask(stack, "What is the emergency phone number?").headers
    visit.open(f"/agents/{stack.facts['agent']}/directive/")
    page.get_by_role("textbox", name="Text").fill(SAYING)
    expect(page.locator("#size")).to_have_text(str(len(SAYING)))
    page.get_by_role("button", name="Review changes").click()
    page.get_by_label("Reason").fill("Everybody asks for it")
    page.get_by_role("button", name="Push version").click()
    expect(page.locator(".notice.ok")).to_contain_text("is active from the next request on")
    photograph(visit, "directive", folder)

    def obeys() -> Any:
        answer = ask(stack, "What is the emergency phone number?")
        said = str(answer.parse().choices[0].message.content)
        return answer.headers if "4711" in said else None

    after = eventually(obeys, 10)
    number = "X-IBEX-Directive-Version"
    assert int(after[number]) == int(before.get(number, 0)) + 1
    assert (visit.complaints, visit.strangers) == ([], [])


def test_a_memory_is_deleted_and_restored_in_place(
    stack: Stack, learned: None, visit: Visit
) -> None:
    page = visit.page
    visit.open("/memories/?q=walrus&mode=keyword")
    link = page.locator("tr", has_text="walrus").get_by_role("link", name="walrus")
    visit.open(link.get_attribute("href") or "")
    address = page.url
    page.get_by_label("Reason").fill("It moved")
    page.get_by_role("button", name="Delete").click()
    expect(page.locator(".notice.ok")).to_contain_text("Deleted.")
    page.get_by_label("Reason").fill("It did not")
    page.get_by_role("button", name="Restore").click()
    expect(page.locator(".notice.ok")).to_contain_text("In use again.")
    assert page.url == address
    assert (visit.complaints, visit.strangers) == ([], [])


def test_the_theme_is_chosen_and_kept(stack: Stack, learned: None, visit: Visit) -> None:
    page = visit.page
    ground = "getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="light")
    light = page.evaluate(ground)
    page.get_by_label("Your account").click()
    with page.expect_response(lambda answer: answer.request.method == "POST"):  # it is kept
        page.get_by_label("Dark").check()
    dark = page.evaluate(ground)
    assert dark != light
    visit.open("/sessions/")
    assert page.evaluate(ground) == dark
    page.get_by_label("Your account").click()
    page.get_by_label("System").check()
    assert page.evaluate(ground) == light
    assert (visit.complaints, visit.strangers) == ([], [])


def test_no_page_is_wider_than_its_window(stack: Stack, learned: None, visit: Visit) -> None:
    agent = f"/agents/{stack.facts['agent']}"
    (session,) = stack.rows("SELECT id FROM agent_sessions_session WHERE external_id = 'chat-0389'")
    paths = ["/", "/agents/", "/memories/?q=coffee", "/sessions/", "/directives/"]
    paths += [f"{agent}/", f"{agent}/memories/", f"{agent}/sessions/", f"{agent}/directive/"]
    for path in [*paths, f"/sessions/{session['id']}/", f"/sessions/{session['id']}/?raw=0"]:
        visit.open(path)
        for width in WIDTHS:
            visit.page.set_viewport_size({"width": width, "height": 900})
            wide = visit.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, (path, width)
    assert (visit.complaints, visit.strangers) == ([], [])


def test_without_scripts_a_search_still_finds(stack: Stack, learned: None, visit: Visit) -> None:
    state = visit.page.context.storage_state()
    browser = visit.page.context.browser
    assert browser is not None
    plain = browser.new_context(java_script_enabled=False, storage_state=state).new_page()
    plain.goto(f"{stack.proxy_url}/memories/")
    plain.get_by_label("Search memories").fill("coffee")
    plain.get_by_role("button", name="Search").click()
    expect(plain.locator("#results")).to_contain_text("dark roast coffee")
    plain.context.close()
