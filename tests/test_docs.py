"""The documentation names what the code has; a name that is missing fails here."""

import re

import pytest

from tests.conftest import ROOT
from tests.urlconfs import routes_of

PACKAGES = (
    *("agents", "analytics", "context", "directives", "embedder", "ibex"),
    *("identity", "jobs", "memories", "orgs", "privacy", "proxy", "sessions"),
)
CODE = re.compile(
    r"""(?:code\s*=\s*|ProxyError\(\s*\d+,\s*|_conflict\(|_forbidden\()"([A-Z_]+)\""""
)
REFERENCE = (ROOT / "docs" / "REFERENCE.md").read_text()


def error_codes() -> set[str]:
    sources = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {code for path in sources for code in CODE.findall(path.read_text())}


def test_every_error_code_is_explained() -> None:
    codes = error_codes()
    assert len(codes) > 20
    assert {code for code in codes if f"`{code}`" not in REFERENCE} == set()


@pytest.mark.parametrize("role", ["api", "memory"])
def test_every_api_route_is_listed(role: str) -> None:
    routes = [re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path) for path, _ in routes_of(role)]
    missing = [
        route
        for route in routes
        if f"{route}`" not in REFERENCE and route.rsplit("/", 1)[1] not in _short_forms()
    ]
    assert missing == []


def _short_forms() -> set[str]:
    return set(re.findall(r"`…/([a-z-]+)`", REFERENCE))


def test_every_decision_record_is_indexed() -> None:
    folder = ROOT / "docs" / "adr"
    index = (folder / "README.md").read_text()
    records = sorted(p.name for p in folder.glob("0*.md"))
    assert len(records) > 20
    assert [name for name in records if f"({name})" not in index] == []
    assert len({name[:4] for name in records}) == len(records)


def test_every_row_of_the_fault_table_is_a_test_and_the_other_way_round() -> None:
    """Each row stands twice: what may be seen, and what was measured."""
    tests = (ROOT / "tests" / "stack" / "test_faults.py").read_text()
    rows = re.findall(r"^\| ([a-z]+) \|", (ROOT / "docs" / "FAULTS.md").read_text(), re.MULTILINE)
    tested = re.findall(r'endure\(\s*stack,\s*"([a-z]+)"', tests)
    assert len(tested) >= 7
    assert sorted(rows) == sorted([*tested, *tested])


def test_every_link_between_pages_leads_somewhere() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    broken = [
        (page.name, target)
        for page in pages
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert broken == []
