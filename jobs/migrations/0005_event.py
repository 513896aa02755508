"""The log of jobs: a line for each change of theirs."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import ibex.fields
import ibex.ids


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0004_chunk_tenancy"),
        ("orgs", "0010_audit_by_who_and_what"),
    ]

    operations = [
        migrations.CreateModel(
            name="JobEvent",
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
                (
                    "kind",
                    ibex.fields.EnumField(
                        choices=[
                            ("queued", "Queued"),
                            ("started", "Started"),
                            ("stumbled", "Stumbled"),
                            ("taken_over", "Taken Over"),
                            ("cancel_asked", "Cancel Asked"),
                            ("retried", "Retried"),
                            ("ended", "Ended"),
                        ],
                        max_length=32,
                    ),
                ),
                (
                    "run",
                    models.PositiveIntegerField(help_text="Which start of a worker it belongs to."),
                ),
                (
                    "actor_type",
                    ibex.fields.EnumField(
                        blank=True,
                        choices=[
                            ("operator", "Operator"),
                            ("token", "Token"),
                            ("system", "System"),
                        ],
                        max_length=32,
                        null=True,
                    ),
                ),
                ("actor_id", models.UUIDField(blank=True, null=True)),
                ("actor_label", models.CharField(blank=True, max_length=255)),
                (
                    "state",
                    ibex.fields.EnumField(
                        choices=[
                            ("queued", "Queued"),
                            ("running", "Running"),
                            ("done", "Done"),
                            ("partial", "Partial"),
                            ("failed", "Failed"),
                            ("cancelled", "Cancelled"),
                        ],
                        help_text="How the job stood then.",
                        max_length=32,
                    ),
                ),
                ("done", models.PositiveBigIntegerField()),
                ("failed", models.PositiveBigIntegerField()),
                ("total", models.PositiveBigIntegerField(blank=True, null=True)),
                ("why", models.CharField(blank=True, max_length=500)),
                (
                    "next_at",
                    models.DateTimeField(
                        blank=True, help_text="When it is tried again.", null=True
                    ),
                ),
                (
                    "took",
                    models.DurationField(
                        blank=True, help_text="From its start to its end.", null=True
                    ),
                ),
                (
                    "job",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="events",
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
                "ordering": ["-created_at", "-pk"],
                "indexes": [
                    models.Index(
                        fields=["org", "job", "-created_at", "-id"], name="job_events_by_time"
                    )
                ],
            },
        ),
    ]
