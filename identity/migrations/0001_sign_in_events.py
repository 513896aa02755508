"""Write what happens at the door into the audit of every organization the operator belongs to."""

from django.db import migrations

from ibex.schema import Definer

RECORD = """
CREATE FUNCTION ibex_record_sign_in(
    p_email text, p_by_operator boolean, p_action text, p_after jsonb, p_ip inet, p_request text
) RETURNS integer
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH written AS (
        INSERT INTO orgs_auditevent (
            id, org_id, at, actor_type, actor_id, actor_label, action, target_type, target_id,
            after, reason, ip, request_id
        )
        SELECT gen_random_uuid(), m.org_id, clock_timestamp(),
               CASE WHEN p_by_operator THEN 'operator' ELSE 'system' END,
               CASE WHEN p_by_operator THEN o.id END,
               CASE WHEN p_by_operator THEN o.email ELSE 'sign-in' END,
               p_action, 'orgs.operator', o.id, p_after, '', p_ip, p_request
        FROM orgs_operator o JOIN orgs_membership m ON m.operator_id = o.id
        WHERE o.email = p_email AND m.suspended_at IS NULL AND p_action LIKE 'sign\\_in.%'
        RETURNING 1
    )
    SELECT count(*)::integer FROM written
$$
"""


class Migration(migrations.Migration):
    dependencies = [("orgs", "0005_operator_preferences")]

    operations = [
        Definer("ibex_record_sign_in(text, boolean, text, jsonb, inet, text)", RECORD),
    ]
