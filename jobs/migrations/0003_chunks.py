"""The rows that a job is to change, as they were confirmed."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import ibex.ids


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0002_tenancy"),
        ("orgs", "0009_invitation_tenancy"),
    ]

    operations = [
        migrations.CreateModel(
            name="JobChunk",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=ibex.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                ("number", models.PositiveIntegerField(help_text="From 0, without a gap.")),
                (
                    "row_ids",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.UUIDField(), size=None
                    ),
                ),
                (
                    "job",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="chunks",
                        to="jobs.job",
                    ),
                ),
                (
                    "org",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="orgs.organization",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("job", "number"), name="a_job_numbers_its_chunks"
                    )
                ],
            },
        ),
    ]
