"""Put extraction records under row-level security."""

from django.db import migrations

from ibex.schema import Tenant


class Migration(migrations.Migration):
    dependencies = [("analytics", "0003_extraction_record")]

    operations = [Tenant("analytics_extractionrecord")]
