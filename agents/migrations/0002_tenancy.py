"""Put organizations and agents under row-level security."""

from django.db import migrations

from ibex.schema import Tenant


class Migration(migrations.Migration):
    dependencies = [("agents", "0001_initial"), ("orgs", "0001_initial")]

    operations = [
        Tenant("orgs_organization", key="id"),
        Tenant("agents_agent"),
    ]
