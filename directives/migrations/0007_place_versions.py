"""Say of the versions that were pushed before where their text goes: where their directive's does.

What it was before a change of the setting alone nobody kept.
"""

from django.db import migrations

FILL = """
UPDATE directives_directiveversion v
SET injection_mode = d.injection_mode
FROM directives_directive d
WHERE d.id = v.directive_id AND d.injection_mode <> v.injection_mode
"""


class Migration(migrations.Migration):
    dependencies = [("directives", "0006_version_injection_mode")]

    operations = [migrations.RunSQL(FILL, migrations.RunSQL.noop)]
