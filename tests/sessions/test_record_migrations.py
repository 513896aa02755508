"""The function that records calls is after a migration back what it was before the one forward."""

from importlib import import_module

import psycopg
import pytest
from django.db.migrations import RunSQL

from tests.conftest import with_database

CHANGES = (
    "0009_record_by_upsert",
    "0011_record_errors",
    "0012_meet_rows_by_index",
    "0013_look_only_for_failures",
    "0017_record_one_at_a_time",
)
"""Each migration that changed it, and nothing else but `ibex_route`'s settings."""
DEFINITION = "SELECT pg_get_functiondef('ibex_record'::regproc)"


def statements(sql: object) -> list[str]:
    return [sql] if isinstance(sql, str) else list(sql)  # type: ignore[call-overload]


def migrate(owner: psycopg.Connection, name: str, *, back: bool = False) -> str:
    """Run one migration in this transaction; return what the function is then."""
    operations = import_module(f"sessions.migrations.{name}").Migration.operations
    assert all(isinstance(one, RunSQL) for one in operations)
    for one in reversed(operations) if back else operations:
        for statement in statements(one.reverse_sql if back else one.sql):
            owner.execute(statement.encode())
    return definition(owner)


def definition(owner: psycopg.Connection) -> str:
    (found,) = owner.execute(DEFINITION).fetchone() or ("",)
    return str(found)


@pytest.mark.usefixtures("django_db_setup")
def test_each_way_back_restores_what_was_before(owner_url: str, database_name: str) -> None:
    with psycopg.connect(with_database(owner_url, database_name)) as owner:
        now = definition(owner)
        back = [migrate(owner, name, back=True) for name in reversed(CHANGES)]
        forth = [migrate(owner, name) for name in CHANGES]
        owner.rollback()
    assert len({now, *back}) == len(CHANGES) + 1
    assert forth[-1] == now
    assert back[:-1] == forth[-2::-1]
