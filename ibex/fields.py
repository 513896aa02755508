"""Model fields that carry their rule into the database."""

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

if TYPE_CHECKING:
    CharField = models.CharField[Any, Any]
else:
    CharField = models.CharField


class EnumField(CharField):
    """A short text column that the database itself keeps to its choices, by a CHECK."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 32)
        super().__init__(*args, **kwargs)

    def db_check(self, connection: BaseDatabaseWrapper) -> str | None:
        """Return the condition of the column's CHECK."""
        values = ", ".join(f"'{value}'" for value, _label in self.flatchoices)
        column = connection.ops.quote_name(self.column or self.name)
        return f"{column} IN ({values})"
