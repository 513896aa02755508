"""Keyset pages: each starts after the last row of the one before, whatever was inserted since."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar, cast

import orjson
from django.core.exceptions import ValidationError
from django.db.models import Field, FloatField, Model, Q, QuerySet
from django.utils.timezone import is_naive

from ibex.errors import DomainError

M = TypeVar("M", bound=Model)

MAX_CURSOR_LENGTH = 2_000
"""A name of 255 characters fits, whatever its script."""


class MalformedCursor(DomainError):
    """A cursor is what the page before returned, unchanged."""

    code = "VALIDATION_ERROR"
    param = "cursor"

    def __init__(self) -> None:
        super().__init__("The cursor is not one that this list returned.")


@dataclass(frozen=True)
class Order:
    """An order of rows that is total: its last field is unique within the list."""

    fields: tuple[str, ...]
    descending: bool

    def apply(self, rows: QuerySet[M]) -> QuerySet[M]:
        """Sort by the fields, all in the same direction."""
        return rows.order_by(*[f"-{name}" if self.descending else name for name in self.fields])

    def after(self, rows: QuerySet[M], values: list[Any]) -> QuerySet[M]:
        """Keep the rows past `values`; the first field alone bounds the index scan."""
        beyond = "lt" if self.descending else "gt"
        past, equal = Q(), Q()
        for name, value in zip(self.fields, values, strict=True):
            past |= equal & Q(**{f"{name}__{beyond}": value})
            equal &= Q(**{name: value})
        return rows.filter(past, **{f"{self.fields[0]}__{beyond}e": values[0]})


NEWEST_FIRST = Order(("created_at", "id"), descending=True)
"""`id` is a uuid7, but a seeded or imported row may carry any."""


@dataclass(frozen=True)
class Page(Generic[M]):
    """Some rows, and the cursor of the page after them; None when there is none."""

    items: list[M]
    next_cursor: str | None


def take_page(rows: QuerySet[M], *, limit: int, cursor: str | None, order: Order) -> Page[M]:
    """Read at most `limit` rows after `cursor`. Raises `MalformedCursor`."""
    rows = order.apply(rows)
    if cursor is not None:
        rows = order.after(rows, _decode(rows, cursor, order))
    found = list(rows[: limit + 1])
    items = found[:limit]
    more = len(found) > limit
    return Page(items, _encode(items[-1], order) if more else None)


def _encode(row: Model, order: Order) -> str:
    values = [getattr(row, name) for name in order.fields]
    return urlsafe_b64encode(orjson.dumps(values)).rstrip(b"=").decode()


def _decode(rows: QuerySet[Any], cursor: str, order: Order) -> list[Any]:
    """Read a cursor back into the values of the order's fields."""
    try:
        if len(cursor) > MAX_CURSOR_LENGTH:
            raise MalformedCursor
        given = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return [_value(rows, name, value) for name, value in zip(order.fields, given, strict=True)]
    except (ValueError, TypeError, OverflowError, ValidationError):
        raise MalformedCursor from None


def _value(rows: QuerySet[Any], name: str, value: Any) -> Any:
    """Convert as the field or annotation would; a cursor holds no null and no naive time."""
    annotation = rows.query.annotations.get(name)
    field = annotation.output_field if annotation else rows.model._meta.get_field(name)  # noqa: SLF001 - documented
    if not isinstance(value, float if isinstance(field, FloatField) else str | int):
        raise TypeError(name)
    converted = cast("Field[Any, Any]", field).to_python(value)
    if isinstance(converted, datetime) and is_naive(converted):
        raise ValueError(name)
    return converted
