"""Fill in the size and the author of the versions that were pushed before these were columns."""

from django.db import migrations

FILL = """
UPDATE directives_directiveversion v
SET size = octet_length(v.content),
    author = coalesce((
        SELECT a.actor_label FROM orgs_auditevent a
        WHERE a.org_id = v.org_id AND a.target_id = v.directive_id
          AND a.action = 'directive.push' AND a.after ->> 'number' = v.number::text
        LIMIT 1
    ), '')
"""


class Migration(migrations.Migration):
    dependencies = [("directives", "0004_drafts_tenancy")]

    operations = [migrations.RunSQL(FILL, migrations.RunSQL.noop)]
