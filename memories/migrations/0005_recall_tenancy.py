"""Put the recall log under row-level security."""

from django.db import migrations

from ibex.schema import Tenant


class Migration(migrations.Migration):
    dependencies = [("memories", "0004_recall")]

    operations = [Tenant("memories_recall", {"turn_id": "agent_sessions_turn"})]
