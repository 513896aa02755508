"""What every page of the console writes the same way: icons, times, sizes, permissions."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ibex.notices import UNDO
from orgs.access import Access
from orgs.navigation import Group, navigation
from orgs.permissions import Permission, in_words

register = template.Library()

SPRITE = "vendor/tabler-icons-3.35.0/sprite.svg"
CATEGORY_ICONS = {
    "factual": "database",
    "preference": "heart",
    "behavioral": "repeat",
    "episodic": "calendar-event",
    "procedural": "list-numbers",
}
STATUS_ICONS = {
    "active": "circle-check",
    "completed": "check",
    "superseded": "arrow-back-up",
    "merged": "arrow-back-up",
    "archived": "archive",
    "abandoned": "archive",
    "paused": "player-pause",
    "quarantined": "shield-exclamation",
    "pending_review": "clock-question",
    "deleted": "trash",
    "error": "alert-circle",
    "queued": "clock",
    "running": "loader",
    "done": "circle-check",
    "partial": "alert-triangle",
    "failed": "circle-x",
    "cancelled": "ban",
    "expired": "clock",
    "revoked": "ban",
    "suspended": "player-pause",
}


@register.simple_tag
@cache
def icon(name: str) -> SafeString:
    """Draw one of the vendored icons; the words beside it say what it means."""
    return format_html(
        '<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>', static(SPRITE), name
    )


@register.simple_tag
def category(name: str) -> SafeString:
    """Show a memory's category: colour, icon and word."""
    picture = icon(CATEGORY_ICONS.get(name, "brain"))
    return format_html('<span class="chip {}">{} {}</span>', name, picture, name)


@register.simple_tag
def status(row: Any, field: str = "status") -> SafeString:
    """Show a row's status, or another column of its kind, in words with an icon."""
    value = getattr(row, field)
    picture = icon(STATUS_ICONS.get(value, "circle-check"))
    words = getattr(row, f"get_{field}_display")().lower()
    return format_html('<span class="state {}">{} {}</span>', value, picture, words)


@register.simple_tag
def moment(at: datetime | None, form: str = "full") -> SafeString:
    """Write a time in the operator's zone, with UTC to point at.

    `short` leaves out this year, `clock` the day; `second` is full to the second.
    """
    if at is None:
        return format_html('<span class="quiet">{}</span>', "never")
    utc = at.astimezone(UTC)
    at = timezone.localtime(at)
    day = f"{at.day} {at:%b}"
    if form != "short" or at.year != timezone.now().year:
        day += f" {at.year}"
    clock = f"{at:%H:%M:%S}" if form in {"clock", "second"} else f"{at:%H:%M}"
    words = clock if form == "clock" else f"{day}, {clock}"
    suffix = f" {at:%Z}" if form in {"full", "second"} else ""
    return format_html(
        '<time datetime="{}" title="{} UTC">{}{}</time>',
        at.isoformat(),
        f"{utc:%Y-%m-%d %H:%M:%S}",
        words,
        suffix,
    )


@register.filter
def grouped(number: int) -> str:
    """Write a number with its thousands apart."""
    return f"{number:,}"


@register.filter
def milliseconds(value: float | None) -> str:
    """Write a duration: `312 ms`, `1.8 s`."""
    if value is None:
        return "not measured"
    return f"{value:,.0f} ms" if value < 1000 else f"{value / 1000:,.1f} s"  # noqa: PLR2004


@register.filter
def duration(value: timedelta) -> str:
    """Write a gap in its largest whole unit: `6 min`, `3 h`, `2 d`."""
    seconds = int(value.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


@register.filter
def permission_words(permissions: int) -> list[str]:
    """Say what permissions let somebody do."""
    return in_words(permissions)


@register.filter
def words(name: str) -> str:
    """Write a machine's name as words: `Rows written` for `rows_written`."""
    return name.replace("_", " ").capitalize()


@register.filter
def may(access: Access | None, name: str) -> bool:
    """Say whether the operator's role holds the permission of this name."""
    return access is not None and not Permission[name] & ~access.permissions


@register.simple_tag(takes_context=True)
def sections(context: Any) -> list[Group]:
    """Return the side's sections for the operator and the page."""
    request = context["request"]
    return navigation(request.access, request.path)


@register.filter
def undo_url(message: Any) -> str:
    """Return where an undo of what was just done is posted; empty when there is none."""
    return str(message.extra_tags or "").removeprefix(UNDO) if has_undo(message) else ""


def has_undo(message: Any) -> bool:
    """Say whether what was just done can be taken back at once."""
    return str(message.extra_tags or "").startswith(UNDO)


@register.filter
def initials(person: object) -> str:
    """Write the first letters of a name, two at most."""
    words = str(person).replace("@", " ").split()
    return "".join(word[0] for word in words[:2]).upper()
