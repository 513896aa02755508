"""Sessions that ended before there were archives get one too."""

from django.db import migrations

DUE = """
UPDATE agent_sessions_session SET archive_after = now()
WHERE status IN ('completed', 'abandoned') AND archive_version = 0
"""


class Migration(migrations.Migration):
    dependencies = [("agent_sessions", "0007_archive_when_ended")]

    operations = [migrations.RunSQL(DUE, migrations.RunSQL.noop)]
