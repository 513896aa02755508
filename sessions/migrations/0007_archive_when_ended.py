"""A session's end makes its archive due, a new turn takes that back; claim what is due."""

from importlib import import_module

from django.db import migrations

from ibex.schema import Definer

BEFORE = import_module("sessions.migrations.0004_record").RECORD.replace(
    "CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"
)
COMPLETES = "completes_at = CASE WHEN NOT sums.ends THEN now() + p_idle END,"
ARCHIVES = """archive_after = CASE WHEN sums.ends THEN now() END,
            archive_claimed_until = NULL,"""
AFTER = BEFORE.replace(COMPLETES, f"{COMPLETES}\n            {ARCHIVES}")
if ARCHIVES not in AFTER:
    raise RuntimeError("0004_record has changed; this migration builds on its text.")

CLAIM_ARCHIVES = """
CREATE FUNCTION ibex_claim_archives(p_limit integer, p_lease interval)
RETURNS TABLE (org_id uuid, id uuid)
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE agent_sessions_session s SET archive_claimed_until = now() + p_lease
    FROM (
        SELECT due.id FROM agent_sessions_session due
        WHERE due.archive_after <= now()
          AND (due.archive_claimed_until IS NULL OR due.archive_claimed_until < now())
        ORDER BY due.archive_after LIMIT p_limit FOR UPDATE SKIP LOCKED
    ) due
    WHERE s.id = due.id
    RETURNING s.org_id, s.id
$$
"""


class Migration(migrations.Migration):
    dependencies = [("agent_sessions", "0006_archive")]

    operations = [
        migrations.RunSQL(AFTER, BEFORE),
        Definer("ibex_claim_archives(integer, interval)", CLAIM_ARCHIVES),
    ]
