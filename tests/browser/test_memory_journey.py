"""An operator finds what an agent learned by its meaning, corrects it, and the agent knows."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit, Window, portray
from tests.browser.crowd import Crowd
from tests.browser.filling import WIDTHS
from tests.stack.conftest import eventually

pytestmark = pytest.mark.timeout(400)

FACTS = {
    1440: ("My marina is Port Halloway.", "Halloway", "Sorrel"),
    390: ("My dentist is Mister Larkspur.", "Larkspur", "Foxglove"),
}
"""What is told, the word in it that is wrong, and the right one."""
QUESTIONS = {1440: "What is my marina?", 390: "Who is my dentist?"}
MEANT = {1440: "place where the boat is moored", 390: "who looks after their teeth"}
"""What operators ask for: not a word of it was said."""
REASON = "They moved in spring"


def said(answer: Any) -> str:
    return str(answer.parse().choices[0].message.content)


@pytest.fixture(scope="module")
def learned(crowd: Crowd) -> None:
    """Tell the agent what is not quite right, until it says so."""
    for width, (told, _wrong, _right) in FACTS.items():
        crowd.ask("Concierge", told, session=f"told-{width}")
    for width, (_told, wrong, _right) in FACTS.items():
        # In the same session the same question would be a retry, and its prompt the same.
        eventually(lambda w=width, word=wrong: word in said(crowd.ask("Concierge", QUESTIONS[w])))


def find_by_meaning(page: Page, meant: str) -> None:
    page.locator("summary", has_text="Agent").click()
    page.locator(".facet-menu").get_by_role("link", name="Concierge").click()
    expect(page.locator(".condition")).to_contain_text("Concierge")
    page.get_by_label("Meaning").check()
    page.get_by_label("Search memories").press_sequentially(meant, delay=5)
    expect(page.locator("#results")).to_contain_text("best first")


def correct(visit: Visit, wrong: str, right: str) -> None:
    """Change one word, and see the new version with what is different."""
    page = visit.page
    page.get_by_role("link", name="Edit").click()
    text = page.get_by_role("textbox", name="Text")
    learned = text.input_value()
    assert wrong in learned
    text.fill(learned.replace(wrong, right))
    page.get_by_label("Reason").fill(REASON)
    portray(visit, "memory-edit")
    visit.expect_sound()
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".notice.ok")).to_have_text("Saved.")
    expect(page.locator("p.said")).to_have_text(learned.replace(wrong, right))
    newest = page.locator(".timeline li").first
    expect(newest.locator(".strong").first).to_have_text("2")
    expect(newest).to_contain_text(REASON)
    expect(newest.locator("del")).to_have_text(f"{wrong}.")
    expect(newest.locator("ins")).to_have_text(f"{right}.")
    portray(visit, "memory-corrected")
    visit.expect_sound()


@pytest.mark.parametrize("width", list(WIDTHS))
def test_a_memory_is_corrected_and_the_agent_says_the_new_fact(
    crowd: Crowd, learned: None, window: Window, width: int
) -> None:
    told, wrong, right = FACTS[width]
    visit = window(width)
    page = visit.page
    visit.open("/memories/")
    find_by_meaning(page, MEANT[width])
    first = page.locator("#results tbody tr").first
    expect(first).to_contain_text(wrong)
    portray(visit, "memories-by-meaning")
    visit.expect_sound()
    first.locator("a.content").click(delay=400)  # a slow hand: the list must not change under it
    expect(page.locator("#peek-body")).to_contain_text(told)
    portray(visit, "memory-peek")
    page.locator("#peek-body").get_by_role("link", name="Open memory").click()
    correct(visit, wrong, right)

    page.get_by_role("link", name="Open turn").first.click()
    expect(page.locator("article:target .bubble.user")).to_contain_text(told)
    visit.expect_sound()

    answer = crowd.ask("Concierge", QUESTIONS[width], session=f"after-{width}")
    assert right in said(answer)
    assert wrong not in said(answer)
    visit.open(f"/sessions/?q=after-{width}")
    page.get_by_role("link", name=f"after-{width}", exact=True).click()
    page.locator("[data-peek-page]").click()
    expect(page.locator("#turn-0 .notes li").first).to_contain_text(right)
    page.get_by_role("link", name="Why").first.click()
    expect(page.locator("main pre").first).to_contain_text(right)
    expect(page.locator("main pre").first).not_to_contain_text(wrong)
    portray(visit, "why")
    visit.expect_sound()
