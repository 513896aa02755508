"""Forms as a browser sends them: every field with the value that the page showed."""

from html.parser import HTMLParser
from typing import Any

from django.test import Client


class _Fields(HTMLParser):
    """Collects what the form that posts to one address would send if nobody touched it."""

    def __init__(self, action: str) -> None:
        super().__init__()
        self.action, self.is_inside = action, False
        self.sent: dict[str, str] = {}
        self.selected = self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        name, value = said.get("name") or "", said.get("value")
        if tag == "form":
            posts = said.get("method") == "post"
            self.is_inside = posts and said.get("action", self.action) == self.action
        elif not self.is_inside:
            return
        elif tag == "input" and name:
            if said.get("type") not in {"checkbox", "radio"} or "checked" in said:
                self.sent[name] = value or ("on" if said.get("type") == "checkbox" else "")
        elif tag == "select":
            self.selected = name
        elif tag == "option" and "selected" in said:
            self.sent[self.selected] = value or ""
        elif tag == "textarea":
            self.text, self.sent[name] = name, ""

    def handle_data(self, data: str) -> None:
        if self.text:
            self.sent[self.text] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self.sent[self.text] = self.sent[self.text].removeprefix("\n")
            self.text = ""
        elif tag == "form":
            self.is_inside = False


def fields_in(content: bytes, path: str) -> dict[str, str]:
    """Read a page's form that posts to `path`."""
    reader = _Fields(path)
    reader.feed(content.decode())
    reader.sent.pop("csrfmiddlewaretoken", None)
    return reader.sent


def filled(client: Client, path: str, **changes: Any) -> dict[str, Any]:
    """Open a page's form and fill it in; None unticks a box."""
    sent = {**fields_in(client.get(path).content, path), **changes}
    return {name: value for name, value in sent.items() if value is not None}
