"""Put the tables of organizations under row-level security."""

from django.db import migrations

from ibex.schema import Definer, Tenant

MEMBERSHIPS = """
CREATE FUNCTION ibex_memberships(p_operator uuid)
RETURNS TABLE (org_id uuid, org_name text, org_slug text, org_status text, role text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT o.id, o.name::text, o.slug::text, o.status::text, m.role::text
    FROM orgs_membership m JOIN orgs_organization o ON o.id = m.org_id
    WHERE m.operator_id = p_operator AND m.suspended_at IS NULL AND o.status <> 'deleting'
    ORDER BY o.name, o.id
$$
"""


class Migration(migrations.Migration):
    dependencies = [("orgs", "0002_token"), ("agents", "0002_tenancy")]

    operations = [
        Tenant("orgs_membership"),
        Tenant("orgs_token", {"agent_id": "agents_agent"}),
        Tenant("orgs_auditevent", append_only=True),
        Definer("ibex_memberships(uuid)", MEMBERSHIPS),
    ]
