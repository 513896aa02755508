"""Find the latest calls that ran a version of a directive.

Each partition is indexed by itself, while calls go on being recorded; one that is made meanwhile
has the index from the start.
"""

from typing import Any

from django.db import migrations, models

TABLE, NAME = "analytics_requestrecord", "requests_of_a_version"
COLUMNS = "(org_id, agent_id, directive_version, created_at DESC)"
ONLY = "WHERE directive_version IS NOT NULL"
PARTITIONS = """
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = %s::regclass ORDER BY c.relname
"""


def build(_apps: Any, editor: Any) -> None:
    """Build the index partition by partition, without keeping anybody from writing."""
    editor.execute(f"CREATE INDEX IF NOT EXISTS {NAME} ON ONLY {TABLE} {COLUMNS} {ONLY}")
    with editor.connection.cursor() as cursor:
        cursor.execute(PARTITIONS, [TABLE])
        partitions = [name for (name,) in cursor.fetchall()]
    for partition in partitions:
        part = f"{partition}_version"
        editor.execute(
            f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {part} ON {partition} {COLUMNS} {ONLY}"
        )
        editor.execute(f"ALTER INDEX {NAME} ATTACH PARTITION {part}")


def drop(_apps: Any, editor: Any) -> None:
    """Drop the index with its parts."""
    editor.execute(f"DROP INDEX {NAME}")


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("analytics", "0007_count_hours")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(build, drop)],
            state_operations=[
                migrations.AddIndex(
                    model_name="requestrecord",
                    index=models.Index(
                        condition=models.Q(("directive_version__isnull", False)),
                        fields=["org", "agent_id", "directive_version", "-created_at"],
                        name="requests_of_a_version",
                    ),
                ),
            ],
        ),
    ]
