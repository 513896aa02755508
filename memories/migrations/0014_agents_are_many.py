"""The planner is told that an org may have many agents, whatever share one of them has.

Sampled where one agent holds nearly all rows, `agent_id = <that of the outer row>` looks as if it
kept everything; the list of agents then read the whole organization once an agent (459 ms for 150
agents with 20,000 memories, 23 ms now). A given agent is still judged by its own share.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("memories", "0013_keep_tags_and_uses")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE memories_memory ALTER COLUMN agent_id SET (n_distinct = 1000)",
            "ALTER TABLE memories_memory ALTER COLUMN agent_id RESET (n_distinct)",
        ),
    ]
