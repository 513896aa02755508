"""What can be found by its id from anywhere in the console; each app says how."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.models import Model, QuerySet

from orgs.permissions import Permission

if TYPE_CHECKING:  # apps say what can be found before models are ready
    from orgs.access import OrgRequest

Rows = Callable[["OrgRequest"], QuerySet[Any]]
"""Return the rows of one kind that exist for whoever asks."""
Named = Callable[["OrgRequest", str], Any]
"""Find a row by the words as they were typed; None if it is none."""


@dataclass(frozen=True)
class Finder:
    """One kind of thing, who may find it, and where it is shown."""

    kind: str
    icon: str
    needs: Permission
    rows: Rows
    page: str
    """The route that shows one; its only parameter is the id."""
    label: Callable[[Any], str] = str
    named: Named | None = None

    def find(self, request: "OrgRequest", words: str) -> Any:
        """Return the row whose id, or whose name, the words are; None if there is none."""
        try:
            row = self.rows(request).filter(pk=UUID(words)).first()
        except ValueError:
            row = None
        if row is None and self.named is not None:
            return self.named(request, words)
        return row

    def recall(self, request: "OrgRequest", ids: Iterable[UUID]) -> dict[UUID, Any]:
        """Return the rows of these ids that are still there, in one query."""
        return {row.pk: row for row in self.rows(request).filter(pk__in=list(ids))}


FINDERS: list[Finder] = []


def findable(finder: Finder) -> None:
    """Let the palette find one kind of thing; an app calls this when it is ready."""
    if finder.kind not in {known.kind for known in FINDERS}:
        FINDERS.append(finder)


def open_to(request: "OrgRequest") -> list[Finder]:
    """Return the kinds that the operator's role may find."""
    return [one for one in FINDERS if not one.needs & ~request.access.permissions]


def of_org(model: type[Model]) -> Rows:
    """Return all rows of a model that belong to the organization."""

    def rows(request: "OrgRequest") -> QuerySet[Any]:
        return model._default_manager.filter(org=request.access.org_id)  # noqa: SLF001 - documented

    return rows
