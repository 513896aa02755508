"""All SQL of the control channel. Runs as `ibex_app`; what crosses orgs is a listed function."""

from dataclasses import dataclass
from uuid import UUID

from psycopg import AsyncConnection

LISTEN = "LISTEN ibex_control"
REVISION = "SELECT rev FROM control_clock"
SINCE = "SELECT rev, org_id, kind, target_id FROM ibex_control_since(%s, %s)"
ACKNOWLEDGE = "SELECT ibex_control_acknowledge(%s, %s)"
SEEN = "UPDATE control_proxy SET seen_at = now() WHERE id = ANY(%s)"
LEFT = "UPDATE control_proxy SET left_at = now() WHERE id = %s AND connected_at = %s"
CONNECTED = """
INSERT INTO control_proxy (id, name, revision, connected_at, connected_revision,
    acknowledged_at, seen_at)
VALUES (%(id)s, %(name)s, %(rev)s, now(), %(rev)s, now(), now())
ON CONFLICT (id) DO UPDATE SET name = excluded.name, revision = excluded.revision,
    connected_at = now(), connected_revision = excluded.revision, acknowledged_at = now(),
    seen_at = now(), left_at = NULL
RETURNING connected_at
"""


@dataclass(frozen=True, slots=True)
class Change:
    """One change in the order of commits."""

    rev: int
    org_id: UUID
    kind: str
    target_id: UUID


async def read_revision(connection: AsyncConnection) -> int:
    """Return the revision of the last change; 0 before the first."""
    row = await (await connection.execute(REVISION)).fetchone()
    return int(row[0]) if row else 0


async def read_since(connection: AsyncConnection, revision: int, limit: int) -> list[Change] | None:
    """Return the changes after a revision; None when some of them are not kept any more."""
    rows = await (await connection.execute(SINCE, [revision, limit])).fetchall()
    changes = [Change(*row) for row in rows]
    if changes and changes[0].rev != revision + 1:
        return None
    return changes
