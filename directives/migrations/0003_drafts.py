"""Drafts, and what a list of versions shows without their texts."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import ibex.fields
import ibex.ids


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0002_tenancy"),
        ("directives", "0002_tenancy"),
        ("orgs", "0004_remove_demo_organization"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RenameField(
            model_name="directiveversion",
            old_name="copied_from",
            new_name="rolled_back_from",
        ),
        migrations.AddField(
            model_name="directiveversion",
            name="author",
            field=models.CharField(blank=True, max_length=255),
        ),
        migrations.AddField(
            model_name="directiveversion",
            name="size",
            field=models.PositiveIntegerField(default=0, help_text="Bytes of the text in UTF-8."),
            preserve_default=False,
        ),
        migrations.CreateModel(
            name="DirectiveDraft",
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
                ("base_version", models.PositiveIntegerField(default=0)),
                ("content", models.TextField(blank=True)),
                (
                    "injection_mode",
                    ibex.fields.EnumField(
                        blank=True,
                        choices=[
                            ("system_first", "System First"),
                            ("system_append", "System Append"),
                            ("user_prepend", "User Prepend"),
                        ],
                        max_length=32,
                        null=True,
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=500)),
                ("revision", models.PositiveIntegerField(default=0)),
                ("updated_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "agent",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="agents.agent",
                    ),
                ),
                (
                    "operator",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
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
                (
                    "token",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="orgs.token",
                    ),
                ),
            ],
            options={
                "ordering": ["-updated_at", "-pk"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("agent", "operator"), name="an_operator_has_one_draft_per_agent"
                    ),
                    models.UniqueConstraint(
                        fields=("agent", "token"), name="a_token_has_one_draft_per_agent"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("operator", None), ("token", None), _connector="XOR"),
                        name="a_draft_is_an_operators_or_a_tokens",
                    ),
                ],
            },
        ),
    ]
