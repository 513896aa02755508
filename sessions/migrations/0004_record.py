"""Record a group of calls in one statement (ADR 0045).

As a function its plans are kept: planning the statement costs more than running it.
"""

from django.db import migrations

from ibex.schema import APP_ROLE

RECORD = """
CREATE FUNCTION ibex_record(
    p_items jsonb, p_requests bytea[], p_completions bytea[], p_idle interval
)
RETURNS void LANGUAGE plpgsql SECURITY INVOKER
SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    v_org uuid;
BEGIN
    FOR v_org IN
        SELECT DISTINCT (item ->> 'org_id')::uuid FROM jsonb_array_elements(p_items) item ORDER BY 1
    LOOP
        PERFORM set_config('ibex.org_id', v_org::text, true);

        INSERT INTO agent_sessions_session (id, org_id, agent_id, external_id, subject, status,
            turn_count, tokens_in, tokens_out, extracted_through, extract_attempts, created_at,
            last_turn_at, branched_from_id, branched_at_turn)
        SELECT DISTINCT ON (agent_id, external_id, subject)
            session_id, v_org, agent_id, external_id, subject, 'active', 0, 0, 0, -1, 0, at, at,
            branched_from, branched_at_turn
        FROM jsonb_to_recordset(p_items) AS i (session_id uuid, agent_id uuid, external_id text,
            subject text, at timestamptz, branched_from uuid, branched_at_turn int, n int,
            is_turn boolean, org_id uuid)
        WHERE is_turn AND org_id = v_org
        ORDER BY agent_id, external_id, subject, n
        ON CONFLICT (agent_id, external_id, subject) DO NOTHING;

        WITH item AS MATERIALIZED (
            SELECT i.*, b.request, b.completion
            FROM jsonb_to_recordset(p_items) AS i (n int, org_id uuid, is_turn boolean, turn_id uuid,
                record_id uuid, node_id uuid, session_id uuid, agent_id uuid, external_id text,
                subject text, at timestamptz, model text, provider text, is_streaming boolean,
                is_complete boolean, finish_reason text, tokens_in int, tokens_out int,
                tokens_cached int, usage_estimated boolean, latency_ms float8, ttfb_ms float8,
                overhead_ms float8, context_ms float8, context_level text, memories_injected int,
                context_tokens int, directive_version int, injected jsonb, assembly jsonb,
                skip_extraction boolean, request_id text, status int, error_code text, ends boolean,
                node text)
            JOIN unnest(p_requests, p_completions)
                WITH ORDINALITY AS b (request, completion, n) ON b.n = i.n
            WHERE i.org_id = v_org
        ), fresh AS (
            SELECT i.* FROM item i
            WHERE NOT EXISTS (SELECT 1 FROM agent_sessions_turn t WHERE t.id = i.turn_id)
        ), wanted AS (
            SELECT DISTINCT agent_id, external_id, subject FROM fresh WHERE is_turn
        ), locked AS MATERIALIZED (
            SELECT s.id, s.agent_id, s.external_id, s.subject, s.turn_count
            FROM agent_sessions_session s JOIN wanted w
              ON s.agent_id = w.agent_id AND s.external_id = w.external_id
             AND s.subject IS NOT DISTINCT FROM w.subject
            ORDER BY s.id FOR UPDATE OF s
        ), numbered AS MATERIALIZED (
            SELECT f.*, l.id AS found_session,
                l.turn_count + row_number() OVER (PARTITION BY l.id ORDER BY f.n) - 1 AS idx
            FROM fresh f JOIN locked l ON f.is_turn AND l.agent_id = f.agent_id
             AND l.external_id = f.external_id AND l.subject IS NOT DISTINCT FROM f.subject
        ), turns AS (
            INSERT INTO agent_sessions_turn (id, org_id, agent_id, session_id, subject, index, request,
                completion, model, provider, is_streaming, is_complete, finish_reason, tokens_in,
                tokens_out, tokens_cached, usage_estimated, latency_ms, ttfb_ms, directive_version,
                injected, assembly, skip_extraction, request_id, created_at)
            SELECT turn_id, v_org, agent_id, found_session, subject, idx, request, completion, model,
                provider, is_streaming, is_complete, finish_reason, tokens_in, tokens_out,
                tokens_cached, usage_estimated, latency_ms, ttfb_ms, directive_version, injected,
                assembly, skip_extraction, request_id, at
            FROM numbered
            ON CONFLICT DO NOTHING
        ), records AS (
            INSERT INTO analytics_requestrecord (id, org_id, agent_id, session_id, turn_id, created_at,
                request_id, status, error_code, model, provider, is_streaming, is_complete, tokens_in,
                tokens_out, tokens_cached, usage_estimated, latency_ms, ttfb_ms, overhead_ms,
                context_ms, context_level, memories_injected, context_tokens, directive_version)
            SELECT f.record_id, v_org, f.agent_id, n.found_session,
                CASE WHEN f.is_turn THEN f.turn_id END, f.at, f.request_id, f.status, f.error_code,
                f.model, f.provider, f.is_streaming, f.is_complete, f.tokens_in, f.tokens_out,
                f.tokens_cached, f.usage_estimated, f.latency_ms, f.ttfb_ms, f.overhead_ms,
                f.context_ms, f.context_level, f.memories_injected, f.context_tokens,
                f.directive_version
            FROM fresh f LEFT JOIN numbered n ON n.turn_id = f.turn_id
            ON CONFLICT DO NOTHING
        ), nodes AS (
            INSERT INTO agent_sessions_conversationnode (id, org_id, created_at, agent_id, subject,
                digest, session_id, turn_index, is_shared)
            SELECT DISTINCT ON (agent_id, node, subject) node_id, v_org, at, agent_id, subject,
                decode(node, 'hex'), found_session, idx, false
            FROM numbered WHERE node IS NOT NULL
            ORDER BY agent_id, node, subject, n DESC
            ON CONFLICT (agent_id, digest, subject) DO UPDATE
            SET is_shared = agent_sessions_conversationnode.is_shared
                    OR agent_sessions_conversationnode.session_id <> excluded.session_id,
                session_id = excluded.session_id, turn_index = excluded.turn_index, taken_by = NULL
        ), sums AS (
            SELECT found_session, count(*) AS turns, sum(tokens_in) AS tokens_in,
                sum(tokens_out) AS tokens_out, max(at) AS last_at, bool_or(ends) AS ends,
                (array_agg(directive_version ORDER BY n DESC))[1] AS directive_version
            FROM numbered GROUP BY found_session
        )
        UPDATE agent_sessions_session s
        SET turn_count = s.turn_count + sums.turns,
            tokens_in = s.tokens_in + sums.tokens_in,
            tokens_out = s.tokens_out + sums.tokens_out,
            directive_version = sums.directive_version,
            last_turn_at = greatest(s.last_turn_at, sums.last_at),
            status = CASE WHEN sums.ends THEN 'completed' ELSE 'active' END,
            completed_at = CASE WHEN sums.ends THEN now() END,
            completes_at = CASE WHEN NOT sums.ends THEN now() + p_idle END,
            first_unextracted_at = coalesce(s.first_unextracted_at, now()),
            extract_after = CASE WHEN sums.ends THEN now() ELSE least(
                now() + interval '3 s', coalesce(s.first_unextracted_at, now()) + interval '6 s') END
        FROM sums WHERE s.id = sums.found_session;
    END LOOP;
END
$$
"""

SIGNATURE = "ibex_record(jsonb, bytea[], bytea[], interval)"
GRANT = f"""
REVOKE ALL ON FUNCTION {SIGNATURE} FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {SIGNATURE} TO {APP_ROLE};
"""


class Migration(migrations.Migration):
    dependencies = [("agent_sessions", "0003_tenancy"), ("analytics", "0002_tenancy")]

    operations = [
        migrations.RunSQL(RECORD, f"DROP FUNCTION {SIGNATURE}"),
        migrations.RunSQL(GRANT, migrations.RunSQL.noop),
    ]
