"""What can be found by its id from anywhere in the console; each app says how."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Model

from orgs.permissions import Permission

Find = Callable[[UUID, UUID | None, str], Any]
"""Find a row of an organization by id, or by the words as they were typed; None if it is none."""


@dataclass(frozen=True)
class Finder:
    """One kind of thing, who may find it, and where it is shown."""

    kind: str
    icon: str
    needs: Permission
    find: Find
    url: Callable[[Any], str]
    label: Callable[[Any], str] = str


FINDERS: list[Finder] = []


def findable(finder: Finder) -> None:
    """Let the palette find one kind of thing; an app calls this when it is ready."""
    if finder.kind not in {known.kind for known in FINDERS}:
        FINDERS.append(finder)


def by_id(model: type[Model]) -> Find:
    """Find a row by its id alone."""

    def find(org_id: UUID, pk: UUID | None, _words: str) -> Any:
        rows = model._default_manager.filter(org=org_id, pk=pk)  # noqa: SLF001 - documented
        return rows.first() if pk else None

    return find
