"""Find the jobs whose rows are kept for another try, without holding up who writes jobs."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("jobs", "0007_rows_forgotten")]

    operations = [
        AddIndexConcurrently(
            model_name="job",
            index=models.Index(
                condition=models.Q(
                    ("finished_at__isnull", False),
                    ("state__in", ["failed", "cancelled", "partial"]),
                ),
                fields=["finished_at"],
                name="jobs_ended_in_part",
            ),
        ),
    ]
