"""What the list of directives is narrowed by."""

from typing import Any, ClassVar

import django_filters
from django.db.models import Q, QuerySet

from directives.forms import MODES
from ibex.keyset import NEWEST_FIRST, Order
from ibex.ordering import OrderedFilter, sort_filter

ORDERS = {
    "": NEWEST_FIRST,
    "name": Order(("name", "id"), descending=False),
    "pushed": Order(("pushed_at", "id"), descending=True),
}
ORDER_NAMES = {"": "Newest agent first", "name": "By name", "pushed": "Latest push first"}
DRAFTS = [("mine", "Mine"), ("others", "Only a colleague's"), ("none", "None")]


class DirectiveFilter(OrderedFilter):
    """Agents by name, by what they run and who pushed it, and by who writes on it."""

    facets: ClassVar = ("has_directive", "injection_mode", "draft")
    typed: ClassVar = ("name", "pushed_by", "pushed_after", "pushed_before")
    orders: ClassVar = ORDERS
    order_names: ClassVar = ORDER_NAMES
    verbs: ClassVar = {
        "pushed_by": "by",
        "pushed_after": "since",
        "pushed_before": "before",
    }

    name = django_filters.CharFilter(lookup_expr="icontains", label="Agent", max_length=255)
    has_directive = django_filters.ChoiceFilter(
        choices=[("yes", "Yes"), ("no", "No")], label="Has a directive", empty_label="Any"
    )
    injection_mode = django_filters.ChoiceFilter(
        field_name="directive__injection_mode",
        choices=MODES,
        label="Where it goes",
        empty_label="Any",
    )
    draft = django_filters.ChoiceFilter(choices=DRAFTS, label="Draft", empty_label="Any")
    pushed_by = django_filters.CharFilter(method="by", label="Pushed", max_length=255)
    pushed_after = django_filters.IsoDateTimeFilter(
        field_name="directive__active_version__created_at", lookup_expr="gte", label="Pushed"
    )
    pushed_before = django_filters.IsoDateTimeFilter(
        field_name="directive__active_version__created_at", lookup_expr="lt", label="Pushed"
    )
    sort = sort_filter(ORDER_NAMES)

    @property
    def has_more(self) -> bool:
        """Whether anything is asked for that stands under "More filters"."""
        return any(name in self.typed and name != "name" for name, _value in self.pairs)

    def by(self, rows: QuerySet[Any], _name: str, words: str) -> QuerySet[Any]:
        """Keep what an operator of this name or address pushed, or a token of this name."""
        version = "directive__active_version__"
        return rows.filter(
            Q(**{f"{version}author__icontains": words})
            | Q(**{f"{version}created_by__name__icontains": words})
        )
