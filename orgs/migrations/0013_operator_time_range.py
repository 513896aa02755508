"""The range of time that an operator chose last."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orgs", "0012_operator_density")]

    operations = [
        migrations.AddField(
            "operator",
            "time_range",
            models.CharField(blank=True, default="", editable=False, max_length=16),
        ),
    ]
