"""Put jobs under row-level security; claim those that are due, but few at once."""

from django.db import migrations

from ibex.schema import Definer, Tenant

CLAIM_JOBS = """
CREATE FUNCTION ibex_claim_jobs(p_at_once integer, p_lease interval)
RETURNS TABLE (org_id uuid, id uuid)
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE jobs_job j SET claimed_until = now() + p_lease
    FROM (
        SELECT due.id FROM jobs_job due
        WHERE due.run_after <= now()
          AND (due.claimed_until IS NULL OR due.claimed_until < now())
        ORDER BY due.run_after
        LIMIT greatest(0, p_at_once - (
            SELECT count(*) FROM jobs_job busy
            WHERE busy.run_after IS NOT NULL AND busy.claimed_until >= now()
        ))
        FOR UPDATE SKIP LOCKED
    ) due
    WHERE j.id = due.id
    RETURNING j.org_id, j.id
$$
"""


class Migration(migrations.Migration):
    dependencies = [("jobs", "0001_initial"), ("agents", "0002_tenancy")]

    operations = [
        Tenant("jobs_job", {"agent_id": "agents_agent"}),
        Definer("ibex_claim_jobs(integer, interval)", CLAIM_JOBS),
    ]
