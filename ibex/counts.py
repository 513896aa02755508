"""Counts that stop: a list must not become slower as its tables grow."""

from typing import Any

from django.db.models import IntegerField, QuerySet, Subquery

CAP = 1_000


class CappedCount(Subquery):
    """How many rows a correlated query finds, counting no further than one past `CAP`."""

    template = "(SELECT count(*) FROM (%(subquery)s) AS capped)"

    def __init__(self, rows: QuerySet[Any]) -> None:
        capped = rows.order_by().values("pk")[: CAP + 1]
        super().__init__(capped, output_field=IntegerField())


def capped(count: int) -> str:
    """Write a capped count: `999`, and `1,000+` for anything more than `CAP`."""
    return f"{CAP:,}+" if count > CAP else f"{count:,}"
