"""Every route that a role answers, found by walking its URLconf."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from django.urls import URLPattern, URLResolver


def routes_of(role: str) -> list[tuple[str, URLPattern]]:
    """Return each route of `ibex.urls.<role>` with its whole path, as the URLconf writes it."""
    return list(_walk(import_module(f"ibex.urls.{role}").urlpatterns, "/"))


def _walk(found: list[Any], prefix: str) -> Iterator[tuple[str, URLPattern]]:
    for pattern in found:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, path)
        else:
            yield path, pattern
