"""Note each change as its transaction commits, in one order without gaps (ADR 0029).

The triggers are deferred: they run at the commit, so the clock's row is locked for a moment only
and commit order is revision order. A service cannot forget to tell, nor tell what was rolled back.
"""

from django.db import migrations

from ibex.schema import APP_ROLE, Definer, Tenant

NOTE = """
CREATE FUNCTION ibex_note_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_row jsonb := to_jsonb(OLD);
    v_org uuid := '00000000-0000-0000-0000-000000000000';
    v_version uuid;
    v_rev bigint;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        v_org := (v_row ->> CASE TG_ARGV[0] WHEN 'organization' THEN 'id' ELSE 'org_id' END)::uuid;
        IF TG_ARGV[0] = 'directive' THEN
            v_version := nullif(NEW.active_version_id, OLD.active_version_id);
        END IF;
    END IF;
    UPDATE control_clock SET rev = rev + 1 RETURNING rev INTO v_rev;
    INSERT INTO control_event (rev, org_id, kind, target_id, version_id, at)
    VALUES (v_rev, v_org, TG_ARGV[0], (v_row ->> TG_ARGV[1])::uuid, v_version, clock_timestamp());
    PERFORM pg_notify('ibex_control', v_rev::text);
    RETURN NULL;
END
$$
"""

CLOSED = f"""
REVOKE ALL ON FUNCTION ibex_note_change() FROM PUBLIC;
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON control_clock, control_event FROM {APP_ROLE};
GRANT SELECT ON control_clock TO {APP_ROLE};
"""

TRIGGER = """
CREATE CONSTRAINT TRIGGER {table}_is_noted AFTER UPDATE {columns} OR DELETE ON {table}
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ibex_note_change('{kind}', '{target}')
"""
NOTED = (
    ("orgs_organization", "", "organization", "id"),
    (
        "orgs_token",
        "OF agent_id, permissions, allowed_ips, expires_at, revoked_at",
        "token",
        "id",
    ),
    ("agents_agent", "", "agent", "id"),
    ("directives_directive", "OF active_version_id, injection_mode", "directive", "agent_id"),
)

SINCE = """
CREATE FUNCTION ibex_control_since(p_rev bigint, p_limit integer)
RETURNS TABLE (rev bigint, org_id uuid, kind text, target_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT e.rev, e.org_id, e.kind::text, e.target_id FROM control_event e
    WHERE e.rev > p_rev ORDER BY e.rev LIMIT p_limit
$$
"""

ACKNOWLEDGE = """
CREATE FUNCTION ibex_control_acknowledge(p_proxy uuid, p_rev bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_before control_proxy%ROWTYPE;
BEGIN
    SELECT * INTO v_before FROM control_proxy WHERE id = p_proxy FOR UPDATE;
    IF NOT FOUND OR v_before.revision >= p_rev THEN
        RETURN;
    END IF;
    UPDATE control_proxy
    SET revision = p_rev, acknowledged_at = clock_timestamp(), seen_at = clock_timestamp()
    WHERE id = p_proxy;
    INSERT INTO control_acknowledgement
        (id, org_id, created_at, proxy_id, proxy_name, version_id, revision, at)
    SELECT gen_random_uuid(), e.org_id, clock_timestamp(), p_proxy, v_before.name, e.version_id,
        e.rev, clock_timestamp()
    FROM control_event e JOIN directives_directiveversion v ON v.id = e.version_id
    WHERE e.rev > v_before.revision AND e.rev <= p_rev
    ON CONFLICT DO NOTHING;
END
$$
"""

PURGE = """
CREATE FUNCTION ibex_control_purge(p_age interval) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_events bigint;
BEGIN
    DELETE FROM control_event WHERE at < now() - p_age;
    GET DIAGNOSTICS v_events = ROW_COUNT;
    DELETE FROM control_proxy WHERE seen_at < now() - p_age;
    RETURN v_events;
END
$$
"""


class Migration(migrations.Migration):
    dependencies = [
        ("control", "0001_initial"),
        ("orgs", "0003_tenancy"),
        ("agents", "0002_tenancy"),
        ("directives", "0002_tenancy"),
    ]

    operations = [
        migrations.RunSQL(
            "INSERT INTO control_clock (rev) VALUES (0)", "DELETE FROM control_clock"
        ),
        Tenant("control_event", has_id=False),
        Tenant(
            "control_acknowledgement",
            {"version_id": "directives_directiveversion"},
            append_only=True,
        ),
        migrations.RunSQL(NOTE, "DROP FUNCTION ibex_note_change()"),
        migrations.RunSQL(CLOSED, migrations.RunSQL.noop),
        *(
            migrations.RunSQL(
                TRIGGER.format(table=table, columns=columns, kind=kind, target=target),
                f"DROP TRIGGER {table}_is_noted ON {table}",
            )
            for table, columns, kind, target in NOTED
        ),
        Definer("ibex_control_since(bigint, integer)", SINCE),
        Definer("ibex_control_acknowledge(uuid, bigint)", ACKNOWLEDGE),
        Definer("ibex_control_purge(interval)", PURGE),
    ]
