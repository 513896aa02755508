"""An operator finds what an agent learned by its meaning, corrects it, and the agent knows."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Window, portray
from tests.browser.crowd import Crowd
from tests.browser.filling import WIDTHS
from tests.browser.test_journey import folder
from tests.stack.conftest import eventually

__all__ = ["folder"]

pytestmark = pytest.mark.timeout(400)

FACTS = {
    1440: ("My marina is Port Halloway.", "Halloway", "Sorrel", "place where the boat is moored"),
    390: ("My dentist is Mister Larkspur.", "Larkspur", "Foxglove", "who looks after their teeth"),
}
"""What is told, the word that is wrong, the right one, and a question with neither."""
QUESTIONS = {1440: "What is my marina?", 390: "Who is my dentist?"}


def said(answer: Any) -> str:
    return str(answer.parse().choices[0].message.content)


@pytest.mark.parametrize("width", list(WIDTHS))
def test_a_memory_is_corrected_and_the_agent_says_the_new_fact(
    crowd: Crowd, window: Window, folder: Path, width: int
) -> None:
    told, wrong, right, meant = FACTS[width]
    crowd.ask("Concierge", told, session=f"told-{width}")

    def recalls() -> bool:
        answer = crowd.ask("Concierge", QUESTIONS[width])
        return answer.headers["X-IBEX-Memories-Injected"] != "0" and wrong in said(answer)

    eventually(recalls, 60)

    visit = window(width)
    page = visit.page
    visit.open("/memories/")
    page.locator("summary", has_text="Agent").click()
    page.locator(".facet-menu").get_by_role("link", name="Concierge").click()
    expect(page.locator(".condition")).to_contain_text("Concierge")
    page.get_by_label("Meaning").check()
    page.get_by_label("Search memories").press_sequentially(meant, delay=5)
    expect(page.locator("#results")).to_contain_text("best first")
    first = page.locator("#results tbody tr").first
    expect(first).to_contain_text(wrong)
    visit.expect_sound()
    portray(visit, "found-by-meaning", folder)

    first.locator("a.content").click()
    expect(page.locator("#peek-body")).to_contain_text(told)
    portray(visit, "memory-peek", folder)
    page.locator("#peek-body").get_by_role("link", name="Open memory").click()
    page.get_by_role("link", name="Edit").click()
    text = page.get_by_role("textbox", name="Text")
    learned = text.input_value()
    assert wrong in learned
    text.fill(learned.replace(wrong, right))
    page.get_by_label("Reason").fill("They moved in spring")
    portray(visit, "memory-edit", folder)
    visit.expect_sound()
    page.get_by_role("button", name="Save").click()

    expect(page.locator("p.said")).to_have_text(learned.replace(wrong, right))
    newest = page.locator(".timeline li").first
    expect(newest.locator(".strong").first).to_have_text("2")
    expect(newest).to_contain_text("They moved in spring")
    expect(newest.locator("del")).to_have_text(f"{wrong}.")
    expect(newest.locator("ins")).to_have_text(f"{right}.")
    portray(visit, "memory-corrected", folder)
    visit.expect_sound()

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
    expect(page.locator("main")).to_contain_text(right)
    portray(visit, "why", folder)
    visit.expect_sound()
