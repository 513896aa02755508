"""Keep by triggers with which codes calls of a session ended."""

from django.db import migrations

from ibex.schema import Tenant

KEEP = """
CREATE FUNCTION sessions_keep_errors() RETURNS trigger
LANGUAGE plpgsql SECURITY INVOKER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO agent_sessions_sessionerror (org_id, session_id, error_code)
    SELECT s.org_id, s.id, NEW.error_code FROM agent_sessions_session s
    WHERE s.org_id = NEW.org_id AND s.id = NEW.session_id
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE TRIGGER sessions_keep_errors_of_new AFTER INSERT ON analytics_requestrecord
    FOR EACH ROW WHEN (NEW.error_code <> '' AND NEW.session_id IS NOT NULL)
    EXECUTE FUNCTION sessions_keep_errors();

CREATE FUNCTION sessions_forget_errors() RETURNS trigger
LANGUAGE plpgsql SECURITY INVOKER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM agent_sessions_sessionerror e
    WHERE e.org_id = OLD.org_id AND e.session_id = OLD.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER sessions_forget_errors_of_gone AFTER DELETE ON agent_sessions_session
    FOR EACH ROW EXECUTE FUNCTION sessions_forget_errors();
"""

FORGET = """
DROP TRIGGER sessions_forget_errors_of_gone ON agent_sessions_session;
DROP FUNCTION sessions_forget_errors();
DROP TRIGGER sessions_keep_errors_of_new ON analytics_requestrecord;
DROP FUNCTION sessions_keep_errors();
"""

FILL = """
INSERT INTO agent_sessions_sessionerror (org_id, session_id, error_code)
SELECT DISTINCT s.org_id, s.id, r.error_code FROM analytics_requestrecord r
JOIN agent_sessions_session s ON s.org_id = r.org_id AND s.id = r.session_id
WHERE r.error_code <> ''
"""


class Migration(migrations.Migration):
    dependencies = [
        ("agent_sessions", "0018_session_error"),
        ("analytics", "0005_failed_requests_of_a_session"),
    ]

    operations = [
        Tenant(
            "agent_sessions_sessionerror", {"session_id": "agent_sessions_session"}, has_id=False
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.RunSQL(KEEP, FORGET),
    ]
