"""A version keeps where its text goes in the prompt."""

from django.db import migrations

import ibex.fields


class Migration(migrations.Migration):
    dependencies = [("directives", "0005_describe_versions")]

    operations = [
        migrations.AddField(
            model_name="directiveversion",
            name="injection_mode",
            field=ibex.fields.EnumField(
                choices=[
                    ("system_first", "System First"),
                    ("system_append", "System Append"),
                    ("user_prepend", "User Prepend"),
                ],
                default="system_first",
                max_length=32,
            ),
            preserve_default=False,
        ),
    ]
