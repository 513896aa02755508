"""The statements of a request meet stored rows through indexes, whenever they were planned.

Their plans are kept. One that was made while a table had a page or two would read it whole for
ever, and cost more with every session.
"""

from django.db import migrations

KEPT = (
    "ibex_record(jsonb, bytea[], bytea[], interval)",
    "ibex_route(bytea, uuid, text, text, bytea)",
)


class Migration(migrations.Migration):
    dependencies = [("agent_sessions", "0011_record_errors")]

    operations = [
        migrations.RunSQL(
            f"ALTER FUNCTION {function} SET enable_seqscan = off",
            f"ALTER FUNCTION {function} RESET enable_seqscan",
        )
        for function in KEPT
    ]
