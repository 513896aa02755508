"""Jobs say since when the rows that they were to change are not known any more."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0006_event_tenancy")]

    operations = [
        migrations.AddField(
            model_name="job",
            name="rows_forgotten_at",
            field=models.DateTimeField(
                blank=True,
                help_text="Since when the rows it was to change are not known.",
                null=True,
            ),
        ),
    ]
