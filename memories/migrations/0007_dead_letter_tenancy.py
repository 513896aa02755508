"""Put dead letters under row-level security; claim those that are to be tried again."""

from django.db import migrations

from ibex.schema import Definer, Tenant

CLAIM_DEAD_LETTERS = """
CREATE FUNCTION ibex_claim_dead_letters(p_limit integer, p_lease interval)
RETURNS TABLE (org_id uuid, id uuid)
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE memories_deadletter d SET claimed_until = now() + p_lease
    FROM (
        SELECT due.id FROM memories_deadletter due
        WHERE due.retry_after <= now()
          AND (due.claimed_until IS NULL OR due.claimed_until < now())
        ORDER BY due.retry_after LIMIT p_limit FOR UPDATE SKIP LOCKED
    ) due
    WHERE d.id = due.id
    RETURNING d.org_id, d.id
$$
"""


class Migration(migrations.Migration):
    dependencies = [("memories", "0006_dead_letter"), ("agent_sessions", "0003_tenancy")]

    operations = [
        Tenant(
            "memories_deadletter",
            {"agent_id": "agents_agent", "session_id": "agent_sessions_session"},
        ),
        Definer("ibex_claim_dead_letters(integer, interval)", CLAIM_DEAD_LETTERS),
    ]
