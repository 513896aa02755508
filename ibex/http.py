"""What the console's views share: fragments for htmx, addresses, keyset pages."""

from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.utils.http import url_has_allowed_host_and_scheme

from ibex.filtering import ListFilter
from ibex.keyset import NEWEST_FIRST, MalformedCursor, Order, Page, take_page

M = TypeVar("M", bound=Model)

ROWS = 50


def client_ip(request: HttpRequest) -> str | None:
    """Return the address of the client, as the server established it.

    uvicorn believes `X-Forwarded-For` from `IBEX_TRUSTED_PROXIES` alone and has put the result
    into `REMOTE_ADDR`; no header is read here, so nobody can claim another address.
    """
    return request.META.get("REMOTE_ADDR") or None


def wants_fragment(request: HttpRequest) -> bool:
    """Say whether htmx asked for a part of the page.

    A boosted request, or a Back button whose cache is gone, still needs the whole page.
    """
    headers = request.headers
    whole = "HX-Boosted" in headers or "HX-History-Restore-Request" in headers
    return "HX-Request" in headers and not whole


def asks_ahead(request: HttpRequest) -> bool:
    """Say whether the browser fetches ahead of a click: nobody has chosen to look yet."""
    said = (request.headers.get(name, "") for name in ("Sec-Purpose", "Purpose", "X-Moz"))
    return any("prefetch" in one.lower() for one in said)


def page_or_fragment(request: HttpRequest, page: str, fragment: str) -> str:
    """Name the page's template, or its fragment's when htmx asked for that."""
    return fragment if wants_fragment(request) else page


def render_row(
    request: HttpRequest, page: str, fragment: str, context: dict[str, Any]
) -> HttpResponse:
    """Show one row of a list: the panel beside the list gets the fragment, others a page."""
    response = render(request, page_or_fragment(request, page, fragment), context)
    patch_vary_headers(response, ["HX-Request"])
    return response


def address(request: HttpRequest) -> str:
    """Return the request's address without what was left empty in a form."""
    said = [(name, value) for name, values in request.GET.lists() for value in values if value]
    return f"{request.path}?{urlencode(said)}" if said else request.path


def way_back(said: str | None, otherwise: str) -> str:
    """Return the address that a form says it came from, when it is one of ours."""
    is_ours = url_has_allowed_host_and_scheme(said or "", allowed_hosts=None)
    return str(said) if is_ours and str(said).startswith("/") else otherwise


def read_page(
    request: HttpRequest, rows: QuerySet[M], order: Order = NEWEST_FIRST, limit: int | None = None
) -> Page[M]:
    """Read the page that the URL's cursor names; a cursor that names none is a missing page."""
    cursor = request.GET.get("cursor") or None
    try:
        return take_page(rows, limit=limit or ROWS, cursor=cursor, order=order)
    except MalformedCursor:
        raise Http404 from None


def render_list(
    request: HttpRequest,
    page: str,
    fragment: str,
    filters: ListFilter,
    context: dict[str, Any],
    *,
    path: str = "",
) -> HttpResponse:
    """Render a list, or for htmx only its results; a question that makes no sense answers 400.

    `path` is where the list stands, when it is shown in answer to a form of another address.
    """
    status = HTTPStatus.BAD_REQUEST if filters.problems else HTTPStatus.OK
    template = page_or_fragment(request, page, fragment)
    context = {"filters": filters, "list_path": path or request.path, **context}
    response = render(request, template, context, status=status)
    patch_vary_headers(response, ["HX-Request"])
    if wants_fragment(request) and not _is_shown(request):
        response["HX-Push-Url"] = address(request)
    return response


def _is_shown(request: HttpRequest) -> bool:
    """Say whether the page is at this address already: one that looks again adds no history."""
    shown = urlsplit(request.headers.get("HX-Current-URL", ""))
    return (f"{shown.path}?{shown.query}" if shown.query else shown.path) == address(request)
