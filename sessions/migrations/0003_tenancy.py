"""Put conversations under row-level security; route a request; claim due sessions."""

from django.db import migrations

from ibex.schema import Definer, Tenant

ROUTE = """
CREATE FUNCTION ibex_route(
    p_digest bytea, p_agent uuid, p_external_id text, p_subject text, p_node bytea
)
RETURNS TABLE (
    token_id uuid, org_id uuid, token_agent_id uuid, permissions bigint,
    expires_at timestamptz, revoked_at timestamptz, allowed_ips text[],
    org_status text, org_rpm integer, org_extraction_enabled boolean,
    agent_id uuid, agent_status text, memory_scope text, memory_enabled boolean,
    extraction_enabled boolean, max_injected_memories integer, memory_budget_tokens integer,
    memory_position text, default_model text,
    directive_version integer, directive_content text, injection_mode text,
    session_id uuid, session_turn_count integer,
    node_session_id uuid, node_external_id text, node_turn_index integer,
    node_taken_by bytea, node_is_shared boolean
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    RETURN QUERY
    SELECT t.id, t.org_id, t.agent_id, t.permissions, t.expires_at, t.revoked_at,
           t.allowed_ips::text[], o.status::text, o.rpm, o.memory_extraction_enabled,
           a.id, a.status::text, a.memory_scope::text, a.memory_enabled, a.extraction_enabled,
           a.max_injected_memories, a.memory_budget_tokens, a.memory_position::text,
           a.default_model::text,
           v.number, v.content, d.injection_mode::text,
           s.id, s.turn_count,
           n.session_id, ns.external_id::text, n.turn_index, n.taken_by, n.is_shared
    FROM orgs_token t
    JOIN orgs_organization o ON o.id = t.org_id
    LEFT JOIN agents_agent a ON a.org_id = t.org_id AND a.id = coalesce(p_agent, t.agent_id)
    LEFT JOIN directives_directive d ON d.agent_id = a.id
    LEFT JOIN directives_directiveversion v ON v.id = d.active_version_id
    LEFT JOIN agent_sessions_session s
        ON s.agent_id = a.id AND s.external_id = p_external_id
        AND s.subject IS NOT DISTINCT FROM p_subject
    LEFT JOIN agent_sessions_conversationnode n
        ON n.agent_id = a.id AND n.digest = p_node AND n.subject IS NOT DISTINCT FROM p_subject
    LEFT JOIN agent_sessions_session ns ON ns.id = n.session_id
    WHERE t.digest = p_digest;
END
$$
"""

CLAIM_LEARNING = """
CREATE FUNCTION ibex_claim_learning(p_limit integer, p_lease interval)
RETURNS TABLE (org_id uuid, id uuid)
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE agent_sessions_session s SET extract_claimed_until = now() + p_lease
    FROM (
        SELECT due.id FROM agent_sessions_session due
        WHERE due.extract_after <= now()
          AND (due.extract_claimed_until IS NULL OR due.extract_claimed_until < now())
        ORDER BY due.extract_after LIMIT p_limit FOR UPDATE SKIP LOCKED
    ) due
    WHERE s.id = due.id
    RETURNING s.org_id, s.id
$$
"""

CLAIM_COMPLETIONS = """
CREATE FUNCTION ibex_claim_completions(p_limit integer, p_lease interval)
RETURNS TABLE (org_id uuid, id uuid)
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE agent_sessions_session s SET completion_claimed_until = now() + p_lease
    FROM (
        SELECT due.id FROM agent_sessions_session due
        WHERE due.completes_at <= now()
          AND (due.completion_claimed_until IS NULL OR due.completion_claimed_until < now())
        ORDER BY due.completes_at LIMIT p_limit FOR UPDATE SKIP LOCKED
    ) due
    WHERE s.id = due.id
    RETURNING s.org_id, s.id
$$
"""


class Migration(migrations.Migration):
    dependencies = [
        ("agent_sessions", "0002_initial"),
        ("orgs", "0003_tenancy"),
        ("directives", "0002_tenancy"),
    ]

    operations = [
        Tenant(
            "agent_sessions_session",
            {"agent_id": "agents_agent", "branched_from_id": "agent_sessions_session"},
        ),
        Tenant(
            "agent_sessions_turn",
            {"agent_id": "agents_agent", "session_id": "agent_sessions_session"},
            append_only=True,
        ),
        Tenant(
            "agent_sessions_conversationnode",
            {"agent_id": "agents_agent", "session_id": "agent_sessions_session"},
        ),
        Definer("ibex_route(bytea, uuid, text, text, bytea)", ROUTE),
        Definer("ibex_claim_learning(integer, interval)", CLAIM_LEARNING),
        Definer("ibex_claim_completions(integer, interval)", CLAIM_COMPLETIONS),
    ]
