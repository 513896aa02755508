"""What a session says of its archive, and when one is due (ADR 0044)."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agent_sessions", "0005_sessions_by_time"),
        ("agents", "0002_tenancy"),
        ("orgs", "0003_tenancy"),
    ]

    operations = [
        migrations.AddField(
            model_name="session",
            name="archive_after",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="session",
            name="archive_attempts",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="session",
            name="archive_claimed_until",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="session",
            name="archive_key",
            field=models.CharField(blank=True, db_default="", default="", max_length=200),
        ),
        migrations.AddField(
            model_name="session",
            name="archive_sha256",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
        migrations.AddField(
            model_name="session",
            name="archive_size",
            field=models.PositiveBigIntegerField(
                blank=True, help_text="Bytes of the archive.", null=True
            ),
        ),
        migrations.AddField(
            model_name="session",
            name="archive_turns",
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="session",
            name="archive_version",
            field=models.PositiveIntegerField(
                db_default=0, default=0, help_text="How often the archive was written; 0 is never."
            ),
        ),
        migrations.AddField(
            model_name="session",
            name="archived_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddIndex(
            model_name="session",
            index=models.Index(
                condition=models.Q(("archive_after__isnull", False)),
                fields=["archive_after"],
                name="sessions_due_for_archiving",
            ),
        ),
    ]
