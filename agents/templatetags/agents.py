"""What pages of agents write: counts that stop at a cap."""

from django import template

from ibex.counts import capped

register = template.Library()


@register.filter
def up_to_cap(count: int) -> str:
    """Write a capped count: `999`, and `1,000+` for anything more."""
    return capped(count)
