"""Put directives under row-level security."""

from django.db import migrations

from ibex.schema import Tenant


class Migration(migrations.Migration):
    dependencies = [("directives", "0001_initial"), ("agents", "0002_tenancy")]

    operations = [
        Tenant("directives_directive", {"agent_id": "agents_agent"}),
        Tenant(
            "directives_directiveversion",
            {
                "directive_id": "directives_directive",
                "copied_from_id": "directives_directiveversion",
            },
            append_only=True,
        ),
        migrations.RunSQL(
            "ALTER TABLE directives_directive ADD CONSTRAINT directive_active_version_within_org "
            "FOREIGN KEY (org_id, active_version_id) "
            "REFERENCES directives_directiveversion (org_id, id) DEFERRABLE INITIALLY DEFERRED",
            "ALTER TABLE directives_directive DROP CONSTRAINT directive_active_version_within_org",
        ),
        migrations.RunSQL(
            "ALTER TABLE directives_directiveversion ADD CONSTRAINT directive_content_fits "
            "CHECK (octet_length(content) BETWEEN 1 AND 32768)",
            "ALTER TABLE directives_directiveversion DROP CONSTRAINT directive_content_fits",
        ),
    ]
