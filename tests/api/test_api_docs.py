"""The page that shows the API: open to anybody, and fed by this host alone."""

import json
import re

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

from tests.conftest import ROOT

pytestmark = [pytest.mark.usefixtures("api_urls"), pytest.mark.django_db]


def test_the_page_names_only_files_of_our_own() -> None:
    page = Client().get("/api/docs/")
    assert page.status_code == 200
    html = page.content.decode()
    files = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert len(files) >= 4
    for file in files:
        assert file == "/api/openapi.json" or finders.find(file.removeprefix("/static/")), file
    assert "<script>" not in html
    assert "script-src" not in page.headers["Content-Security-Policy"]
    assert page.headers["Content-Security-Policy"].startswith("default-src 'self'")


def test_the_document_is_the_exported_one() -> None:
    exported = json.loads((ROOT / "docs/api/openapi.json").read_text())
    assert Client().get("/api/openapi.json").json() == exported


@pytest.mark.parametrize("path", ["/api/docs/", "/api/openapi.json"])
def test_it_can_only_be_read(path: str) -> None:
    assert Client().post(path).status_code == 405
