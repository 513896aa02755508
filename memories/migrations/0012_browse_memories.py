"""What the memory browser sorts and narrows by, at any number of memories."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q


def org_key() -> models.ForeignKey:
    return models.ForeignKey(
        db_index=False,
        on_delete=django.db.models.deletion.CASCADE,
        related_name="+",
        to="orgs.organization",
    )


class Migration(migrations.Migration):
    dependencies = [("memories", "0011_version_request_id")]

    operations = [
        migrations.CreateModel(
            name="MemoryTag",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "org",
                        "tag",
                        "memory",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("tag", models.CharField(max_length=64)),
                (
                    "memory",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="memories.memory",
                    ),
                ),
                ("org", org_key()),
            ],
        ),
        migrations.CreateModel(
            name="MemoryUse",
            fields=[
                (
                    "memory",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        primary_key=True,
                        related_name="use",
                        serialize=False,
                        to="memories.memory",
                    ),
                ),
                ("injected_count", models.PositiveBigIntegerField()),
                ("org", org_key()),
            ],
        ),
        migrations.AddIndex(
            "memoryuse",
            models.Index(fields=["org", "-injected_count", "-memory"], name="memories_by_use"),
        ),
        migrations.AddIndex(
            "memory",
            models.Index(
                condition=~Q(status="active"),
                fields=["org", "status", "-created_at", "-id"],
                name="memories_out_of_use_by_time",
            ),
        ),
        migrations.AddIndex(
            "memory",
            models.Index(
                condition=Q(subject__isnull=False),
                fields=["org", "subject", "-created_at", "-id"],
                name="memories_of_a_subject_by_time",
            ),
        ),
        migrations.AddIndex(
            "memory",
            models.Index(
                condition=Q(pinned=True),
                fields=["org", "-created_at", "-id"],
                name="pinned_memories_by_time",
            ),
        ),
        migrations.AddIndex(
            "memory",
            models.Index(
                condition=~Q(pii=[]),
                fields=["org", "-created_at", "-id"],
                name="memories_with_personal_data",
            ),
        ),
        migrations.AddIndex(
            "memory",
            models.Index(fields=["org", "-confidence", "-id"], name="memories_by_confidence"),
        ),
    ]
