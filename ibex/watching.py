"""What an open page may watch: each app says what its kind of thing is and how to see it change."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Model

from orgs.permissions import Permission

Fingerprints = Callable[[Collection[UUID]], Mapping[UUID, Any]]
"""Read, inside a tenant, something cheap of each row that differs when the row has changed."""


@dataclass(frozen=True)
class Watcher:
    """One kind of thing, who may watch it, and how a change is seen."""

    needs: Permission
    fingerprints: Fingerprints


WATCHERS: dict[str, Watcher] = {}


def watch(kind: str, needs: Permission, fingerprints: Fingerprints) -> None:
    """Let pages watch `<kind>:<id>`; an app calls this when it is ready."""
    WATCHERS[kind] = Watcher(needs, fingerprints)


def columns(model: type[Model], *names: str) -> Fingerprints:
    """Take the values of some columns for a row's fingerprint; one query for all rows."""

    def read(ids: Collection[UUID]) -> Mapping[UUID, Any]:
        rows = model._default_manager.filter(pk__in=ids).values_list("pk", *names)  # noqa: SLF001
        return {pk: values for pk, *values in rows}

    return read
