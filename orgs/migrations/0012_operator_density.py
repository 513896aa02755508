"""How much room tables and cards take for an operator."""

from django.db import migrations

import ibex.fields


class Migration(migrations.Migration):
    dependencies = [("orgs", "0011_rotated_tokens")]

    operations = [
        migrations.AddField(
            "operator",
            "density",
            ibex.fields.EnumField(
                choices=[("comfortable", "Comfortable"), ("compact", "Compact")],
                default="comfortable",
                max_length=32,
            ),
        ),
    ]
