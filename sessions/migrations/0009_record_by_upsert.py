"""Record a group of calls without joining stored sessions: one upsert numbers them (ADR 0045).

The statement is planned once, often while its tables are small. So no step of it may depend on
their size: stored rows are met through unique indexes alone.
"""

from importlib import import_module

from django.db import migrations

BEFORE = import_module("sessions.migrations.0007_archive_when_ended").AFTER

RECORD = """
CREATE OR REPLACE FUNCTION ibex_record(
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

        WITH fresh AS MATERIALIZED (
            SELECT i.*, count(*) FILTER (WHERE is_turn) OVER name AS turns,
                row_number() OVER (name ORDER BY NOT is_turn, n) AS place
            FROM jsonb_to_recordset(p_items) AS i (n int, org_id uuid, is_turn boolean,
                turn_id uuid, record_id uuid, node_id uuid, session_id uuid, agent_id uuid,
                external_id text, subject text, at timestamptz, model text, provider text,
                is_streaming boolean, is_complete boolean, finish_reason text, tokens_in int,
                tokens_out int, tokens_cached int, usage_estimated boolean, latency_ms float8,
                ttfb_ms float8, overhead_ms float8, context_ms float8, context_level text,
                memories_injected int, context_tokens int, directive_version int, injected jsonb,
                assembly jsonb, skip_extraction boolean, request_id text, status int,
                error_code text, ends boolean, node text, branched_from uuid, branched_at_turn int)
            WHERE i.org_id = v_org
              AND (SELECT t.id FROM agent_sessions_turn t WHERE t.id = i.turn_id) IS NULL
            WINDOW name AS (PARTITION BY agent_id, external_id, subject)
        ), upserted AS (
            INSERT INTO agent_sessions_session AS s (id, org_id, agent_id, external_id, subject,
                status, turn_count, tokens_in, tokens_out, extracted_through, extract_attempts,
                created_at, last_turn_at, branched_from_id, branched_at_turn, directive_version,
                completed_at, completes_at, archive_after, first_unextracted_at, extract_after)
            SELECT (array_agg(session_id ORDER BY n))[1], v_org, agent_id, external_id, subject,
                CASE WHEN bool_or(ends) THEN 'completed' ELSE 'active' END,
                count(*), sum(tokens_in), sum(tokens_out), -1, 0,
                min(at), max(at), (array_agg(branched_from ORDER BY n))[1],
                (array_agg(branched_at_turn ORDER BY n))[1],
                (array_agg(directive_version ORDER BY n DESC))[1],
                CASE WHEN bool_or(ends) THEN now() END,
                CASE WHEN NOT bool_or(ends) THEN now() + p_idle END,
                CASE WHEN bool_or(ends) THEN now() END, now(),
                CASE WHEN bool_or(ends) THEN now() ELSE now() + interval '3 s' END
            FROM fresh WHERE is_turn
            GROUP BY agent_id, external_id, subject
            ORDER BY agent_id, external_id, subject
            ON CONFLICT (agent_id, external_id, subject) DO UPDATE
            SET turn_count = s.turn_count + excluded.turn_count,
                tokens_in = s.tokens_in + excluded.tokens_in,
                tokens_out = s.tokens_out + excluded.tokens_out,
                directive_version = excluded.directive_version,
                last_turn_at = greatest(s.last_turn_at, excluded.last_turn_at),
                status = excluded.status,
                completed_at = excluded.completed_at,
                completes_at = excluded.completes_at,
                archive_after = excluded.archive_after,
                archive_claimed_until = NULL,
                first_unextracted_at = coalesce(s.first_unextracted_at, now()),
                extract_after = least(excluded.extract_after,
                    coalesce(s.first_unextracted_at, now()) + interval '6 s')
            RETURNING s.id, s.agent_id, s.external_id, s.subject, s.turn_count
        ), numbered AS MATERIALIZED (
            SELECT f.*, u.id AS found_session, u.turn_count - f.turns + f.place - 1 AS idx,
                p_requests[f.n] AS request, p_completions[f.n] AS completion
            FROM fresh f JOIN upserted u ON f.is_turn AND u.agent_id = f.agent_id
             AND u.external_id = f.external_id AND u.subject IS NOT DISTINCT FROM f.subject
        ), turns AS (
            INSERT INTO agent_sessions_turn (id, org_id, agent_id, session_id, subject, index,
                request, completion, model, provider, is_streaming, is_complete, finish_reason,
                tokens_in, tokens_out, tokens_cached, usage_estimated, latency_ms, ttfb_ms,
                directive_version, injected, assembly, skip_extraction, request_id, created_at)
            SELECT turn_id, v_org, agent_id, found_session, subject, idx, request, completion,
                model, provider, is_streaming, is_complete, finish_reason, tokens_in, tokens_out,
                tokens_cached, usage_estimated, latency_ms, ttfb_ms, directive_version, injected,
                assembly, skip_extraction, request_id, at
            FROM numbered
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
        )
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
        ON CONFLICT DO NOTHING;
    END LOOP;
END
$$
"""


class Migration(migrations.Migration):
    dependencies = [("agent_sessions", "0008_archive_what_ended")]

    operations = [migrations.RunSQL(RECORD, BEFORE)]
