"""What a browser may do with an answer: a strict Content-Security-Policy, and no copy kept."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

HEADER = "Content-Security-Policy"
POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'"
)
"""Scripts and styles only from our own files: nothing inline, nothing evaluated, no CDN."""


class ContentSecurityPolicyMiddleware:
    """Send the policy with every answer that does not bring its own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer as the rest does, and add the header."""
        response = self.get_response(request)
        response.headers.setdefault(HEADER, POLICY)
        return response


class NoStoreMiddleware:
    """Keep what we answer out of every cache that was not told otherwise.

    A page shows what one operator may see; it must not come back from a shared browser's disk.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer as the rest does, and add the header. Static files never come this far."""
        response = self.get_response(request)
        response.headers.setdefault("Cache-Control", "no-store")
        return response
