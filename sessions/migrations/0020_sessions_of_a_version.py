"""Find and count the sessions that ran a version of a directive."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("agent_sessions", "0019_keep_session_errors")]

    operations = [
        AddIndexConcurrently(
            model_name="session",
            index=models.Index(
                condition=models.Q(("directive_version__isnull", False)),
                fields=["org", "agent", "directive_version", "-last_turn_at", "-id"],
                name="sessions_of_a_version",
            ),
        ),
    ]
