"""What every page of an organization leaves behind: that it was opened."""

from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from django.http import HttpRequest, HttpResponseBase

from ibex.http import asks_ahead, wants_fragment
from orgs.finding import FINDERS
from orgs.recent import note_opened

if TYPE_CHECKING:
    from orgs.access import OrgRequest


class RecentMiddleware:
    """Note which page of a row an operator opened; parts of pages are none."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer, and note the page that was shown."""
        response = self.get_response(request)
        place = request.resolver_match
        is_shown = request.method == "GET" and response.status_code == HTTPStatus.OK
        if place is None or not is_shown or not hasattr(request, "access"):
            return response
        finder = next((one for one in FINDERS if one.page == place.url_name), None)
        if finder and not wants_fragment(request) and not asks_ahead(request):
            (row_id,) = place.kwargs.values()
            note_opened(cast("OrgRequest", request), finder, row_id)
        return response
