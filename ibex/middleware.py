"""What every Django request passes through."""

from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponseBase

from ibex.request_ids import HEADER, accept_request_id


class RequestIdMiddleware:
    """Give each request an id, in `request.request_id`, the response and every log line."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer with the same id that the request had, or got."""
        request_id = accept_request_id(request.headers.get(HEADER))
        request.request_id = request_id  # type: ignore[attr-defined]
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self.get_response(request)
        response[HEADER] = request_id
        return response
