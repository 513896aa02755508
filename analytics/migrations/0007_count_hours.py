"""Count the calls of full hours, and mark an hour that calls come to after it was counted.

An hour is over half an hour after its end. What is recorded later than that (a proxy that could not
reach Postgres for so long replays what it kept) is marked by a trigger, and its hour counted anew.
"""

from django.db import migrations

from ibex.schema import APP_ROLE, Definer, Tenant

NOTE = """
CREATE FUNCTION ibex_note_late_call() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO analytics_latehour (org_id, hour)
    VALUES (NEW.org_id, date_trunc('hour', NEW.created_at, 'UTC'))
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$
"""

# By row, and by a condition: one for all rows of a statement took a fifth of each commit, to look
# at rows of which hardly ever one is late.
TRIGGER = """
CREATE TRIGGER late_calls_are_noted AFTER INSERT ON analytics_requestrecord
FOR EACH ROW WHEN (NEW.created_at < now() - interval '30 minutes')
EXECUTE FUNCTION ibex_note_late_call()
"""

# One that marks an hour waits for one that counts it, and then marks it for the next count.
COUNT = """
CREATE FUNCTION ibex_count_hours(p_hours integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_over timestamptz := date_trunc('hour', now() - interval '35 minutes', 'UTC');
    v_through timestamptz;
    v_until timestamptz;
    v_late record;
    v_counted integer := 0;
    v_sum text := '
        INSERT INTO analytics_hourofcalls (id, created_at, org_id, agent_id, hour, requests, failed,
            tokens_in, tokens_out, tokens_cached, memories_injected, tokens_injected,
            last_request_at)
        SELECT gen_random_uuid(), now(), org_id, agent_id, hour, count(*),
            count(*) FILTER (WHERE status >= 400), sum(tokens_in), sum(tokens_out),
            sum(tokens_cached), sum(memories_injected), sum(context_tokens), max(created_at)
        FROM (SELECT *, date_trunc(''hour'', created_at, ''UTC'') AS hour
              FROM analytics_requestrecord
              WHERE created_at >= %L AND created_at < %L AND (%s)) calls
        GROUP BY GROUPING SETS ((org_id, hour), (org_id, agent_id, hour))';
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('ibex.count_hours', 0)) THEN
        RETURN 0;
    END IF;
    SELECT through INTO v_through FROM analytics_hourscounted;
    FOR v_late IN
        DELETE FROM analytics_latehour WHERE (org_id, hour) IN (
            SELECT org_id, hour FROM analytics_latehour WHERE hour < v_through LIMIT 10
        ) RETURNING org_id, hour
    LOOP
        DELETE FROM analytics_hourofcalls
        WHERE org_id = v_late.org_id AND hour = v_late.hour;
        EXECUTE format(v_sum, v_late.hour, v_late.hour + interval '1 hour',
            format('org_id = %L', v_late.org_id));
        v_counted := v_counted + 1;
    END LOOP;
    IF v_through IS NULL THEN
        SELECT date_trunc('hour', min(created_at), 'UTC') INTO v_through
        FROM analytics_requestrecord;
    END IF;
    v_until := least(v_over, v_through + make_interval(hours => p_hours));
    IF v_through < v_until THEN
        DELETE FROM analytics_latehour WHERE hour >= v_through AND hour < v_until;
        EXECUTE format(v_sum, v_through, v_until, 'true');
        UPDATE analytics_hourscounted SET through = v_until;
        v_counted := v_counted + extract(epoch FROM v_until - v_through)::integer / 3600;
    END IF;
    RETURN v_counted;
END
$$
"""

CLOSED = f"""
REVOKE ALL ON FUNCTION ibex_note_late_call() FROM PUBLIC;
REVOKE INSERT, UPDATE, DELETE, TRUNCATE
    ON analytics_hourofcalls, analytics_latehour, analytics_hourscounted FROM {APP_ROLE};
GRANT SELECT ON analytics_hourscounted TO {APP_ROLE};
"""


class Migration(migrations.Migration):
    dependencies = [("analytics", "0006_hours_of_calls")]

    operations = [
        migrations.RunSQL(
            "INSERT INTO analytics_hourscounted (through) VALUES (NULL)",
            "DELETE FROM analytics_hourscounted",
        ),
        Tenant("analytics_hourofcalls"),
        Tenant("analytics_latehour", has_id=False),
        migrations.RunSQL(NOTE, "DROP FUNCTION ibex_note_late_call()"),
        migrations.RunSQL(TRIGGER, "DROP TRIGGER late_calls_are_noted ON analytics_requestrecord"),
        Definer("ibex_count_hours(integer)", COUNT),
        migrations.RunSQL(CLOSED, migrations.RunSQL.noop),
    ]
