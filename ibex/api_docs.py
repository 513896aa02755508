"""The API's own page: its OpenAPI document, and Swagger UI on it, from files of this host alone."""

from functools import cache

import orjson
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ibex.openapi import document
from ibex.security import HEADER, POLICY

PAGE_POLICY = f"{POLICY}; img-src 'self' data:"
"""Swagger UI's style sheet holds its icons as data; nothing else is loosened."""


@require_safe
def api_docs(request: HttpRequest) -> HttpResponse:
    """Show the document with Swagger UI. It holds no data, so nobody has to sign in."""
    response = render(request, "api/docs.html")
    response.headers[HEADER] = PAGE_POLICY
    return response


@require_safe
def openapi_document(_request: HttpRequest) -> HttpResponse:
    """Return the OpenAPI document of the APIs, as `docs/api/openapi.json` has it."""
    return HttpResponse(_rendered(), content_type="application/json")


@cache
def _rendered() -> bytes:
    schema, _has_gaps = document()
    return orjson.dumps(schema, option=orjson.OPT_SORT_KEYS)
