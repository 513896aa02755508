"""Find what is known already by its hash, whatever became of it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("memories", "0002_tenancy")]

    operations = [
        migrations.AddIndex(
            model_name="memory",
            index=models.Index(fields=["agent", "content_hash"], name="memories_by_content"),
        ),
    ]
