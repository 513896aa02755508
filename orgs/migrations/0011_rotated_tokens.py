"""Which token replaces which, within an organization."""

import django.db.models.deletion
from django.db import migrations, models

CONSTRAINT = "orgs_token_replaces_id_within_org"


class Migration(migrations.Migration):
    dependencies = [("orgs", "0010_audit_by_who_and_what")]

    operations = [
        migrations.AddField(
            "token",
            "replaces",
            models.OneToOneField(
                blank=True,
                db_constraint=False,
                editable=False,
                help_text="The token that was rotated into this one.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="replaced_by",
                to="orgs.token",
            ),
        ),
        migrations.RunSQL(  # every row is empty yet, so there is nothing to look through
            f"ALTER TABLE orgs_token ADD CONSTRAINT {CONSTRAINT} FOREIGN KEY (org_id, replaces_id) "
            "REFERENCES orgs_token (org_id, id) DEFERRABLE INITIALLY DEFERRED NOT VALID",
            f"ALTER TABLE orgs_token DROP CONSTRAINT {CONSTRAINT}",
        ),
    ]
