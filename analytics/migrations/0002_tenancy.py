"""Partition request records by day, and put them under row-level security."""

from django.db import migrations

from ibex.schema import Definer, Tenant

# Django cannot declare partitions: the plain table of 0001 is made anew with the same columns.
PARTITION = """
ALTER TABLE analytics_requestrecord RENAME TO analytics_requestrecord_plain;
CREATE TABLE analytics_requestrecord (LIKE analytics_requestrecord_plain INCLUDING DEFAULTS)
    PARTITION BY RANGE (created_at);
DROP TABLE analytics_requestrecord_plain;
ALTER TABLE analytics_requestrecord ADD PRIMARY KEY (created_at, id);
ALTER TABLE analytics_requestrecord ADD CONSTRAINT analytics_requestrecord_org_id_fk
    FOREIGN KEY (org_id) REFERENCES orgs_organization (id) DEFERRABLE INITIALLY DEFERRED;
CREATE INDEX requests_of_an_org_by_time ON analytics_requestrecord (org_id, created_at DESC);
CREATE TABLE analytics_requestrecord_default PARTITION OF analytics_requestrecord DEFAULT;
"""

ENSURE_PARTITIONS = """
CREATE FUNCTION ibex_ensure_partitions(p_days integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    day date;
    name text;
    made integer := 0;
BEGIN
    FOR day IN SELECT generate_series(
        (now() AT TIME ZONE 'UTC')::date, (now() AT TIME ZONE 'UTC')::date + p_days, '1 day'
    )::date LOOP
        name := 'analytics_requestrecord_' || to_char(day, 'YYYYMMDD');
        IF to_regclass(name) IS NULL AND NOT EXISTS (
            SELECT 1 FROM analytics_requestrecord_default d
            WHERE d.created_at >= day::timestamp AT TIME ZONE 'UTC'
              AND d.created_at < (day + 1)::timestamp AT TIME ZONE 'UTC'
        ) THEN
            EXECUTE format(
                'CREATE TABLE %I PARTITION OF analytics_requestrecord FOR VALUES FROM (%L) TO (%L)',
                name, day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC'
            );
            EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
            EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
            EXECUTE format('REVOKE ALL ON %I FROM ibex_app', name);
            EXECUTE format(
                'CREATE POLICY owner ON %I TO ibex_owner USING (true) WITH CHECK (true)', name
            );
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END
$$
"""

CLOSE_DEFAULT = """
ALTER TABLE analytics_requestrecord_default ENABLE ROW LEVEL SECURITY;
ALTER TABLE analytics_requestrecord_default FORCE ROW LEVEL SECURITY;
REVOKE ALL ON analytics_requestrecord_default FROM ibex_app;
CREATE POLICY owner ON analytics_requestrecord_default TO ibex_owner
    USING (true) WITH CHECK (true);
SELECT ibex_ensure_partitions(7);
"""


class Migration(migrations.Migration):
    dependencies = [("analytics", "0001_initial"), ("agents", "0002_tenancy")]

    operations = [
        migrations.RunSQL(PARTITION, migrations.RunSQL.noop),
        Tenant("analytics_requestrecord", has_id=False),
        Definer("ibex_ensure_partitions(integer)", ENSURE_PARTITIONS),
        migrations.RunSQL(CLOSE_DEFAULT, migrations.RunSQL.noop),
    ]
