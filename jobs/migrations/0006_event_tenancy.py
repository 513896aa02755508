"""Put the log of jobs under row-level security."""

from django.db import migrations

from ibex.schema import Tenant


class Migration(migrations.Migration):
    dependencies = [("jobs", "0005_event")]

    operations = [Tenant("jobs_jobevent", {"job_id": "jobs_job"})]
