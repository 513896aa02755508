"""What an operator prefers, and whether an organization asks for a second factor."""

from django.db import migrations, models

import ibex.fields
import orgs.models
from ibex.schema import Definer

MEMBERSHIPS = """
CREATE FUNCTION ibex_memberships(p_operator uuid)
RETURNS TABLE (
    org_id uuid, org_name text, org_slug text, org_status text, role text, mfa_required boolean
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT o.id, o.name::text, o.slug::text, o.status::text, m.role::text, o.mfa_required
    FROM orgs_membership m JOIN orgs_organization o ON o.id = m.org_id
    WHERE m.operator_id = p_operator AND m.suspended_at IS NULL AND o.status <> 'deleting'
    ORDER BY o.name, o.id
$$
"""
WITHOUT_FACTOR = (
    MEMBERSHIPS.replace("role text, mfa_required boolean", "role text").replace(
        "m.role::text, o.mfa_required", "m.role::text"
    )
    + ";REVOKE ALL ON FUNCTION ibex_memberships(uuid) FROM PUBLIC"
    + ";GRANT EXECUTE ON FUNCTION ibex_memberships(uuid) TO ibex_app"
)


class Migration(migrations.Migration):
    dependencies = [("orgs", "0004_remove_demo_organization")]

    operations = [
        migrations.AddField(
            "operator",
            "theme",
            ibex.fields.EnumField(
                choices=[("system", "As the system"), ("light", "Light"), ("dark", "Dark")],
                default="system",
                max_length=32,
            ),
        ),
        migrations.AddField(
            "operator",
            "time_zone",
            models.CharField(default="UTC", max_length=64, validators=[orgs.models.is_time_zone]),
        ),
        migrations.AddField(
            "operator",
            "shortcuts",
            models.BooleanField(default=True, verbose_name="keyboard shortcuts"),
        ),
        migrations.AddField(
            "operator", "chosen_org_id", models.UUIDField(editable=False, null=True)
        ),
        migrations.RunSQL("DROP FUNCTION ibex_memberships(uuid)", WITHOUT_FACTOR),
        Definer("ibex_memberships(uuid)", MEMBERSHIPS),
    ]
