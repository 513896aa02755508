"""What every request of a signed-in operator brings: their time zone, and a trace of the device."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from identity import devices
from orgs.models import Operator


class OperatorMiddleware:
    """Show times in the operator's zone, and note when their session was last seen."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer inside the operator's time zone; without a session nothing is read."""
        operator = request.user
        if not isinstance(operator, Operator) or not operator.is_authenticated:
            return self.get_response(request)
        devices.note_seen(request)
        with timezone.override(ZoneInfo(operator.time_zone)):
            return self.get_response(request)
