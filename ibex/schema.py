"""Migration operations that make a table a tenant's, and the few functions that span tenants.

Django creates no composite foreign keys and knows no row-level security; `Tenant` adds both.
"""

from collections.abc import Mapping
from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation, OperationCategory
from django.db.migrations.state import ProjectState

OWNER_ROLE = "ibex_owner"
APP_ROLE = "ibex_app"
CURRENT_ORG = "NULLIF(current_setting('ibex.org_id', true), '')::uuid"


class Tenant(Operation):
    """Put a table under row-level security and tie it to its parents within the same org.

    `parents` maps a column to the tenant table it references: the constraint is
    `(org_id, column) → parent (org_id, id)`, deferred, so a row can never point across orgs.
    `append_only` takes UPDATE and DELETE from the runtime role.
    `key` is the column that holds the org's id (`id` for the organizations table itself).
    """

    reversible = True
    category = OperationCategory.SQL

    def __init__(
        self,
        table: str,
        parents: Mapping[str, str] | None = None,
        *,
        append_only: bool = False,
        key: str = "org_id",
        has_id: bool = True,
    ) -> None:
        self.table = table
        self.parents = dict(parents or {})
        self.append_only = append_only
        self.key = key
        self.has_id = has_id

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Change nothing that Django's state knows about."""

    def database_forwards(
        self, _app: str, editor: BaseDatabaseSchemaEditor, _from: Any, _to: Any
    ) -> None:
        """Add keys, policies and grants."""
        for statement in self._forwards():
            editor.execute(statement, params=None)

    def database_backwards(
        self, _app: str, editor: BaseDatabaseSchemaEditor, _from: Any, _to: Any
    ) -> None:
        """Take them away again."""
        editor.execute(f"DROP POLICY tenant ON {self.table}", params=None)
        editor.execute(f"DROP POLICY owner ON {self.table}", params=None)
        editor.execute(f"ALTER TABLE {self.table} NO FORCE ROW LEVEL SECURITY", params=None)
        editor.execute(f"ALTER TABLE {self.table} DISABLE ROW LEVEL SECURITY", params=None)
        for column in self.parents:
            editor.execute(
                f"ALTER TABLE {self.table} DROP CONSTRAINT {self._fk(column)}", params=None
            )

    def describe(self) -> str:
        """Say what the operation does, for `migrate --plan`."""
        return f"Put {self.table} under row-level security"

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        """Return the constructor's arguments, as migrations are written."""
        return (
            self.__class__.__name__,
            [self.table, self.parents],
            {"append_only": self.append_only, "key": self.key, "has_id": self.has_id},
        )

    def _policy(self, name: str, role: str, rule: str) -> str:
        return f"CREATE POLICY {name} ON {self.table} TO {role} USING ({rule}) WITH CHECK ({rule})"

    def _fk(self, column: str) -> str:
        return f"{self.table}_{column}_within_org"

    def _forwards(self) -> list[str]:
        mine = f"{self.key} = {CURRENT_ORG}"
        statements = [
            f"ALTER TABLE {self.table} ENABLE ROW LEVEL SECURITY",
            f"ALTER TABLE {self.table} FORCE ROW LEVEL SECURITY",
            self._policy("tenant", APP_ROLE, mine),
            self._policy("owner", OWNER_ROLE, "true"),
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON {self.table} TO {APP_ROLE}",
        ]
        if self.key == "org_id" and self.has_id:
            statements.append(
                f"ALTER TABLE {self.table} "
                f"ADD CONSTRAINT {self.table}_within_org UNIQUE (org_id, id)"
            )
        for column, parent in self.parents.items():
            statements.append(
                f"ALTER TABLE {self.table} ADD CONSTRAINT {self._fk(column)} "
                f"FOREIGN KEY (org_id, {column}) REFERENCES {parent} (org_id, id) "
                "DEFERRABLE INITIALLY DEFERRED"
            )
        if self.append_only:
            statements.append(f"REVOKE UPDATE, DELETE, TRUNCATE ON {self.table} FROM {APP_ROLE}")
        return statements


class Definer(Operation):
    """Create one of the functions that may look across organizations.

    It runs as its owner (SECURITY DEFINER), so each is on a closed list with a test.
    `signature` is `name(argument types)`; `sql` is the whole CREATE FUNCTION statement.
    """

    reversible = True
    category = OperationCategory.SQL

    def __init__(self, signature: str, sql: str) -> None:
        self.signature = signature
        self.sql = sql

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Change nothing that Django's state knows about."""

    def database_forwards(
        self, _app: str, editor: BaseDatabaseSchemaEditor, _from: Any, _to: Any
    ) -> None:
        """Create the function for the runtime role alone."""
        editor.execute(self.sql, params=None)
        editor.execute(f"REVOKE ALL ON FUNCTION {self.signature} FROM PUBLIC", params=None)
        editor.execute(f"GRANT EXECUTE ON FUNCTION {self.signature} TO {APP_ROLE}", params=None)

    def database_backwards(
        self, _app: str, editor: BaseDatabaseSchemaEditor, _from: Any, _to: Any
    ) -> None:
        """Drop the function."""
        editor.execute(f"DROP FUNCTION {self.signature}", params=None)

    def describe(self) -> str:
        """Say what the operation does, for `migrate --plan`."""
        return f"Create the cross-tenant function {self.signature}"

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        """Return the constructor's arguments, as migrations are written."""
        return (self.__class__.__name__, [self.signature, self.sql], {})
