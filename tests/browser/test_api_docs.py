"""The API's own page works under its strict policy, and asks nobody else for anything."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit

pytestmark = pytest.mark.timeout(400)


def test_the_api_is_shown_with_its_operations(visit: Visit) -> None:
    visit.open("/api/docs/")
    operation = visit.page.locator('[id$="-agents_list"]')
    expect(operation).to_be_visible(timeout=30_000)
    assert visit.page.locator(".opblock").count() > 30
    operation.click()
    expect(operation.get_by_text("Needs the permission")).to_be_visible()
    assert visit.complaints == []
    assert visit.strangers == []
