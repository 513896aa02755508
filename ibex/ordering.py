"""Lists that come in an order of one's choice. Each order walks an index."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet

from ibex.filtering import ListFilter
from ibex.keyset import Order


@dataclass(frozen=True)
class OrderChoice:
    """One order of a list, and the query string that chooses it."""

    label: str
    query: str
    is_chosen: bool


def sort_filter(names: Mapping[str, str]) -> django_filters.ChoiceFilter:
    """Declare the filter `sort`; the order without a name is the one that nobody asked for."""
    return django_filters.ChoiceFilter(
        method="unsorted",
        choices=[(name, label) for name, label in names.items() if name],
        label="Order",
        empty_label=names[""],
    )


class OrderedFilter(ListFilter):
    """A list's filter with `orders`, their `order_names`, and `sort = sort_filter(...)`."""

    modes: ClassVar[tuple[str, ...]] = ("sort",)
    orders: ClassVar[Mapping[str, Order]] = {}
    order_names: ClassVar[Mapping[str, str]] = {}
    order_unless_asked: ClassVar[str] = ""

    @property
    def order(self) -> Order:
        """The order that was asked for."""
        return self.orders[self.value("sort") or self.order_unless_asked]

    @property
    def order_choices(self) -> list[OrderChoice]:
        """The orders that can be asked for."""
        chosen = self.value("sort") or ""
        return [
            OrderChoice(label, self.replacing("sort", name or None), name == chosen)
            for name, label in self.order_names.items()
        ]

    def unsorted(self, rows: QuerySet[Any], _name: str, _value: Any) -> QuerySet[Any]:
        """Leave the rows as they are: the order is applied with the page."""
        return rows
