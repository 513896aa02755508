"""Tell a session of its calls that failed: their records name it, and it counts them (ADR 0045)."""

from importlib import import_module

from django.db import migrations

BEFORE = import_module("sessions.migrations.0009_record_by_upsert").RECORD

CHANGES = (
    (
        "AND (SELECT t.id FROM agent_sessions_turn t WHERE t.id = i.turn_id) IS NULL",
        """AND (SELECT t.id FROM agent_sessions_turn t WHERE t.id = i.turn_id) IS NULL
              AND (i.is_turn OR (SELECT r.id FROM analytics_requestrecord r
                  WHERE r.created_at = i.at AND r.id = i.record_id) IS NULL)""",
    ),
    (
        "count(*) FILTER (WHERE is_turn) OVER name AS turns,",
        """count(*) FILTER (WHERE is_turn) OVER name AS turns,
                count(*) FILTER (WHERE error_code <> '') OVER name AS errors,""",
    ),
    (
        "status, turn_count, tokens_in, tokens_out, extracted_through, extract_attempts,",
        """status, turn_count, error_count, tokens_in, tokens_out, extracted_through,
                extract_attempts,""",
    ),
    (
        "count(*), sum(tokens_in), sum(tokens_out), -1, 0,",
        "count(*), max(errors), sum(tokens_in), sum(tokens_out), -1, 0,",
    ),
    (
        "SET turn_count = s.turn_count + excluded.turn_count,",
        """SET turn_count = s.turn_count + excluded.turn_count,
                error_count = s.error_count + excluded.error_count,""",
    ),
    (
        "        ), numbered AS MATERIALIZED (",
        """        ), placed AS MATERIALIZED (
            SELECT f.n, f.is_turn, coalesce(u.id,
                (SELECT s.id FROM agent_sessions_session s WHERE s.id = f.session_id)
            ) AS found_session, u.id IS NULL AS is_alone
            FROM fresh f LEFT JOIN upserted u ON u.agent_id = f.agent_id
             AND u.external_id = f.external_id AND u.subject IS NOT DISTINCT FROM f.subject
        ), failed AS (
            UPDATE agent_sessions_session s SET error_count = s.error_count
                + (SELECT count(*) FROM placed p WHERE p.is_alone AND p.found_session = s.id)
            WHERE s.id = ANY (ARRAY(SELECT p.found_session FROM placed p WHERE p.is_alone))
        ), numbered AS MATERIALIZED (""",
    ),
    (
        "SELECT f.record_id, v_org, f.agent_id, n.found_session,",
        "SELECT f.record_id, v_org, f.agent_id, p.found_session,",
    ),
    (
        "FROM fresh f LEFT JOIN numbered n ON n.turn_id = f.turn_id",
        "FROM fresh f JOIN placed p ON p.n = f.n",
    ),
)


def changed(statement: str) -> str:
    """Return the function with every change made, each in exactly one place."""
    for old, new in CHANGES:
        if statement.count(old) != 1:
            raise ValueError(old)
        statement = statement.replace(old, new)
    return statement


RECORD = changed(BEFORE)


class Migration(migrations.Migration):
    dependencies = [("agent_sessions", "0010_session_error_count")]

    operations = [migrations.RunSQL(RECORD, BEFORE)]
