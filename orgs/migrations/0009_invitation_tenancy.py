"""Put invitations under row-level security; find one by what its link holds, whichever org's."""

from django.db import migrations

from ibex.schema import Definer, Tenant

INVITATION = """
CREATE FUNCTION ibex_invitation(p_digest bytea)
RETURNS TABLE (org_id uuid, id uuid, org_name text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT i.org_id, i.id, o.name::text
    FROM orgs_invitation i JOIN orgs_organization o ON o.id = i.org_id
    WHERE i.digest = p_digest AND o.status = 'active'
$$
"""


class Migration(migrations.Migration):
    dependencies = [("orgs", "0008_invitation")]

    operations = [
        Tenant("orgs_invitation"),
        Definer("ibex_invitation(bytea)", INVITATION),
    ]
