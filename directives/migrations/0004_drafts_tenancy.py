"""Put drafts under row-level security."""

from django.db import migrations

from ibex.schema import Tenant


class Migration(migrations.Migration):
    dependencies = [("directives", "0003_drafts")]

    operations = [
        Tenant("directives_directivedraft", {"agent_id": "agents_agent", "token_id": "orgs_token"}),
    ]
