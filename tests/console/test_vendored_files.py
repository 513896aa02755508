"""What others wrote and we serve is exactly what was reviewed."""

import hashlib

from tests.conftest import ROOT

VENDOR = ROOT / "static" / "vendor"


def test_vendored_files_are_unchanged_and_licensed() -> None:
    pinned = dict(
        reversed(line.split("  ")) for line in (VENDOR / "SHA256SUMS").read_text().splitlines()
    )
    found = {str(file.relative_to(VENDOR)): file for file in VENDOR.glob("*/*")}
    assert pinned.keys() == found.keys()
    for name, file in found.items():
        assert hashlib.sha256(file.read_bytes()).hexdigest() == pinned[name], name
    for folder in {file.parent for file in found.values()}:
        assert (folder / "LICENSE").is_file(), folder


def test_pages_use_the_vendored_htmx_and_forbid_what_it_could_do() -> None:
    base = (ROOT / "templates/core/base.html").read_text()
    assert 'static "vendor/htmx-2.0.11/htmx.min.js"' in base
    for setting in (
        '"allowEval":false',
        '"includeIndicatorStyles":false',
        '"selfRequestsOnly":true',
    ):
        assert setting in base
    assert '"historyCacheSize":0' in base  # memories do not stay in the browser's storage
    assert '"attributesToSettle":["class","width","height"]' in base  # a style would be inline
