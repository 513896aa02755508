"""Remove the demo organization as a whole, which the runtime role may not do by itself.

Turns, versions and the audit are append-only for `ibex_app`: nothing that serves requests can
rewrite history. The demo's history is invented, and has to go without a trace. So one function
deletes every row of one organization, and refuses any but the one that `manage.py demo_data`
made: its slug is `demo`, and the audit says that the demo created it. Neither can be had through
an API: there a slug is free to choose, but not the audit's actor.

Every table with a column `org_id` is visited, so a table that is added later is not forgotten.
Foreign keys within an organization are deferred, so their order does not matter.
"""

from django.db import migrations

from ibex.schema import Definer

REMOVE = """
CREATE FUNCTION ibex_remove_demo_organization(p_org uuid) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_table regclass;
    v_removed bigint;
    v_total bigint := 0;
BEGIN
    IF NOT EXISTS (SELECT 1 FROM orgs_organization WHERE id = p_org AND slug = 'demo')
        OR NOT EXISTS (
            SELECT 1 FROM orgs_auditevent
            WHERE org_id = p_org AND action = 'organization.create'
              AND actor_type = 'system' AND actor_label = 'demo data'
        )
    THEN
        RAISE EXCEPTION 'only the demo organization can be removed'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    FOR v_table IN
        SELECT c.oid::regclass FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'org_id' AND NOT a.attisdropped
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
          AND NOT c.relispartition
        ORDER BY c.oid
    LOOP
        EXECUTE format('DELETE FROM %s WHERE org_id = $1', v_table) USING p_org;
        GET DIAGNOSTICS v_removed = ROW_COUNT;
        v_total := v_total + v_removed;
    END LOOP;
    DELETE FROM orgs_organization WHERE id = p_org;
    RETURN v_total + 1;
END
$$
"""


class Migration(migrations.Migration):
    dependencies = [("orgs", "0003_tenancy")]

    operations = [Definer("ibex_remove_demo_organization(uuid)", REMOVE)]
