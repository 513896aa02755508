"""The only door to a tenant's rows.

Row-level security compares every tenant row's `org_id` with the transaction-local setting
`ibex.org_id`. With no setting, nothing is visible and nothing can be written.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import connection, transaction

if TYPE_CHECKING:
    from orgs.models import Organization

ENTER_TENANT = "SELECT current_setting('ibex.org_id', true), set_config('ibex.org_id', %s, true)"


@contextmanager
def tenant(org: "Organization | UUID") -> Iterator[None]:
    """Open a transaction in which exactly `org`'s rows exist.

    May be nested; the previous tenant is back afterwards. A local setting survives a released
    savepoint, so it is restored by hand; after an error the rollback restores it.
    """
    org_id = org if isinstance(org, UUID) else org.pk
    with transaction.atomic():
        previous = _enter(str(org_id))
        yield
        _enter(previous or "")


def current_org_id() -> UUID | None:
    """Return the org whose rows this connection sees, or None outside a tenant."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('ibex.org_id', true)")
        row = cursor.fetchone()
    return UUID(row[0]) if row and row[0] else None


def _enter(org_id: str) -> str | None:
    with connection.cursor() as cursor:
        cursor.execute(ENTER_TENANT, [org_id])
        row = cursor.fetchone()
    return row[0] if row else None
