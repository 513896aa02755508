"""The planner is told that an org may have many agents, as for memories."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("agent_sessions", "0014_sessions_of_a_subject")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE agent_sessions_session ALTER COLUMN agent_id SET (n_distinct = 1000)",
            "ALTER TABLE agent_sessions_session ALTER COLUMN agent_id RESET (n_distinct)",
        ),
    ]
