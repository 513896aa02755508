"""What pages of sessions write: whether one is live, how long it lasted, addresses."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django import template
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from ibex.filtering import ListFilter
from orgs.templatetags.console import status
from sessions.models import Session

register = template.Library()

LIVE = timedelta(minutes=1)


@register.simple_tag
def liveness(session: Session) -> SafeString:
    """Show a session's status; an active one with a turn in the last minute has a live dot."""
    if session.status == Session.Status.ACTIVE and timezone.now() - session.last_turn_at < LIVE:
        return format_html('<span class="state live"><span class="dot"></span> {}</span>', "live")
    return status(session)


@register.filter
def lasted(session: Session) -> timedelta:
    """Return the time from a session's first turn to its last."""
    return max(session.last_turn_at - session.created_at, timedelta(0))


@register.filter
def breakable(code: str) -> SafeString:
    """Let a code such as `PROVIDER_TIMEOUT` go on in the next line after each underscore."""
    return format_html_join(mark_safe("_<wbr>"), "{}", ((part,) for part in code.split("_")))


@register.simple_tag
def querystring_of(**values: Any) -> str:
    """Write a query of these values alone."""
    return f"?{urlencode(values)}"


@register.filter
def also(filters: ListFilter, subject: str) -> str:
    """Write the query string of a list that is narrowed to a subject as well."""
    return filters.replacing("subject", subject)
