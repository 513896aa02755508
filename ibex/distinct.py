"""The few values that a column of a large table holds in one organization.

`SELECT DISTINCT` reads every row; skipping along an index that begins with the organization and the
column reads one row a value.
"""

from uuid import UUID

from django.db import connection

MOST = 2_000


def held_values(table: str, column: str, org_id: UUID) -> list[str] | None:
    """Return the values, sorted; None when there are more than `MOST`. Call inside the tenant.

    The table needs an index on `(org_id, column, ...)`, and the column holds no nulls.
    """
    sql = f"""
        WITH RECURSIVE held (value) AS (
            (SELECT {column} FROM {table} WHERE org_id = %s ORDER BY {column} LIMIT 1)
            UNION ALL
            SELECT (SELECT {column} FROM {table} WHERE org_id = %s AND {column} > held.value
                    ORDER BY {column} LIMIT 1)
            FROM held WHERE held.value IS NOT NULL
        )
        SELECT value FROM held WHERE value IS NOT NULL LIMIT {MOST + 1}
    """  # noqa: S608 - names from our own code
    with connection.cursor() as cursor:
        cursor.execute(sql, [org_id, org_id])
        values = [row[0] for row in cursor.fetchall()]
    return values if len(values) <= MOST else None
