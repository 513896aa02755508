"""A row of an unfinished job follows its job; the list around it is left to its reader."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from playwright.sync_api import Page, expect

from ibex.ids import uuid7
from tests.browser.conftest import Visit
from tests.stack.conftest import Stack

pytestmark = pytest.mark.timeout(300)

START = """INSERT INTO jobs_job (id, org_id, kind, title, state, owner_type, owner_label, request_id,
    needs, idempotency_key, parameters, reason, total, done, failed, why, run_after, runs, stumbles,
    retries, created_at, heartbeat_at)
  VALUES (%s, '00000000-0000-0000-0000-000000000001', 'tests.none', %s, 'running', 'system',
    'tests', '', 0, '', '{}', '', 9, 1, 0, '', now() + interval '1 year', 1, 0, 0, now(), now())
  RETURNING id"""
END = """UPDATE jobs_job SET state = 'done', done = 9, run_after = NULL, finished_at = now()
  WHERE kind = 'tests.none' AND (id = %s OR %s) RETURNING id"""

NO_SOCKET = """window.WebSocket = class extends WebSocket {
  constructor() { super(location.origin.replace("http", "ws") + "/ws/none"); }
};"""


def start(stack: Stack, title: str) -> UUID:
    """Begin a job that no worker of the stack will find."""
    stack.rows(START, job := uuid7(), title)
    return job


def go_on(stack: Stack, job: UUID, done: int) -> None:
    stack.rows("UPDATE jobs_job SET done = %s WHERE id = %s RETURNING id", done, job)


@pytest.fixture
def job(stack: Stack) -> Iterator[UUID]:
    yield start(stack, "Write nine items")
    stack.rows(END, uuid7(), True)


def is_same_list(page: Page) -> bool:
    return bool(page.evaluate("document.getElementById('results').dataset.mine === 'yes'"))


def test_a_row_follows_its_job_and_the_list_stays(stack: Stack, visit: Visit, job: UUID) -> None:
    page = visit.page
    visit.open("/jobs/?state=running")
    page.get_by_label("Look for new rows").select_option("Off")
    page.evaluate("document.getElementById('results').dataset.mine = 'yes'")
    row = page.locator(f"#job-{job}")
    expect(row).to_contain_text("1 of 9")
    page.locator(".save-view summary").click()
    name = page.locator(".save-view input[name=name]")
    name.fill("What runs")
    start(stack, "Write nine more")
    go_on(stack, job, 5)
    expect(row).to_contain_text("5 of 9")
    expect(name).to_be_visible()
    expect(name).to_have_value("What runs")
    expect(name).to_be_focused()
    page.wait_for_timeout(3500)  # longer than the list took to replace itself
    expect(page.locator("#results tbody tr")).to_have_count(1)

    narrowing = row.get_by_label("Only running")
    narrowing.focus()
    go_on(stack, job, 6)
    expect(row).to_contain_text("6 of 9")
    expect(narrowing).to_be_focused()
    row.get_by_role("link").first.click()
    expect(page.locator("#peek-body")).to_contain_text("6 of 9")
    go_on(stack, job, 7)
    expect(row).to_contain_text("7 of 9")
    expect(row).to_have_class("peeked")

    stack.rows(END, job, False)
    expect(row).to_contain_text("done")
    expect(row).not_to_have_attribute("data-live", f"job:{job}")
    assert is_same_list(page)
    assert (visit.complaints, visit.strangers) == ([], [])


def test_without_a_socket_the_row_is_asked_for_now_and_then(
    stack: Stack, visit: Visit, job: UUID
) -> None:
    page = visit.page
    page.add_init_script(NO_SOCKET)
    visit.open("/jobs/?state=running")
    page.evaluate("document.getElementById('results').dataset.mine = 'yes'")
    expect(page.locator("#live-state")).to_contain_text("Live updates paused")
    go_on(stack, job, 5)
    expect(page.locator(f"#job-{job}")).to_contain_text("5 of 9", timeout=15_000)
    assert is_same_list(page)
