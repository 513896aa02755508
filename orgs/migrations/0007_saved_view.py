"""Views of lists that operators save, under row-level security."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import ibex.ids
from ibex.schema import Tenant


class Migration(migrations.Migration):
    dependencies = [
        ("orgs", "0006_audit_of_a_request"),
    ]

    operations = [
        migrations.CreateModel(
            name="SavedView",
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
                ("name", models.CharField(max_length=60)),
                (
                    "path",
                    models.CharField(
                        help_text="The list's address, without a query.", max_length=200
                    ),
                ),
                (
                    "query",
                    models.CharField(help_text="The filter's canonical form.", max_length=2000),
                ),
                ("is_shared", models.BooleanField(default=False)),
                (
                    "operator",
                    models.ForeignKey(
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
            ],
            options={
                "ordering": ["name", "pk"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("org", "operator", "path", "name"),
                        name="an_operators_views_of_a_list_have_names_of_their_own",
                        violation_error_message="You have a view of this list with this name.",
                    )
                ],
            },
        ),
        Tenant("orgs_savedview"),
    ]
