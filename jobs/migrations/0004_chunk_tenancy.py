"""Put the chunks of jobs under row-level security."""

from django.db import migrations

from ibex.schema import Tenant


class Migration(migrations.Migration):
    dependencies = [("jobs", "0003_chunks")]

    operations = [Tenant("jobs_jobchunk", {"job_id": "jobs_job"})]
