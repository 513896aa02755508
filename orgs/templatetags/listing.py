"""What every list page writes the same way: click-to-filter, links that keep the URL's state."""

from dataclasses import dataclass
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ibex.filtering import NOT, ListFilter
from orgs.models import SavedView
from orgs.saved_views import views_of
from orgs.templatetags.console import icon

register = template.Library()


@register.simple_tag
def narrow(filters: ListFilter, name: str, value: Any, words: str = "") -> SafeString:
    """Offer to keep only the rows with this cell's value, or to leave them out."""
    shown = words or str(value)
    keep, leave = filters.replacing(name, str(value)), filters.replacing(NOT + name, str(value))
    return format_html(
        '<span class="narrow-by">{}{}</span>',
        _link(keep, f"Only {shown}", "plus"),
        _link(leave, f"Without {shown}", "minus"),
    )


@register.simple_tag
def replacing(filters: ListFilter, name: str, value: Any) -> str:
    """Write the list's query string with another value of one filter."""
    return filters.replacing(name, str(value))


@dataclass(frozen=True)
class SavedViews:
    """The views of a list; `can_save` when the filter is worth a name and has none."""

    views: list[SavedView]
    can_save: bool


@register.simple_tag(takes_context=True)
def saved_views(context: Any, filters: ListFilter) -> SavedViews:
    """Read the views of the list; one query."""
    views = views_of(context["request"], context["list_path"])
    is_known = any(view.query == filters.canonical for view in views)
    return SavedViews(views, filters.is_narrowed and not filters.problems and not is_known)


def _link(query: str, label: str, picture: str) -> SafeString:
    return format_html(
        '<a href="?{0}" hx-get="?{0}" hx-target="#results" hx-swap="outerHTML"'
        ' aria-label="{1}" title="{1}">{2}</a>',
        query,
        label,
        icon(picture),
    )
