"""All SQL of the proxy, and the rows it reads. Runs as `ibex_app` under row-level security."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg_pool import AsyncConnectionPool

POOL_OPTIONS = "-c plan_cache_mode=force_custom_plan"
ENTER = "SELECT set_config('ibex.org_id', %s, true)"

ROUTE = "SELECT * FROM ibex_route(%s, %s, %s, %s, %s)"

TAKE_NODE = """
UPDATE agent_sessions_conversationnode SET taken_by = %(by)s
WHERE agent_id = %(agent)s AND digest = %(digest)s AND subject IS NOT DISTINCT FROM %(subject)s
  AND (taken_by IS NULL OR taken_by = %(by)s)
RETURNING session_id
"""

TERMINATE = """
UPDATE agent_sessions_session
SET status = 'completed', completed_at = now(), completes_at = NULL,
    extract_after = CASE WHEN turn_count - 1 > extracted_through THEN now() ELSE extract_after END
WHERE agent_id = %(agent)s AND external_id = %(external_id)s
  AND subject IS NOT DISTINCT FROM %(subject)s AND status <> 'completed'
RETURNING id
"""

FIND_SESSION = """
SELECT id, status FROM agent_sessions_session
WHERE agent_id = %(agent)s AND external_id = %(external_id)s
  AND subject IS NOT DISTINCT FROM %(subject)s
"""

AUDIT_TERMINATE = """
INSERT INTO orgs_auditevent (id, org_id, at, actor_type, actor_id, actor_label, action,
    target_type, target_id, after, reason, ip, request_id)
VALUES (%(id)s, %(org)s, now(), 'token', %(token)s, 'token', 'session.complete',
    'agent_sessions.session', %(session)s, '{"status": "completed"}', '', %(ip)s, %(request_id)s)
"""

MARK_USED = """
UPDATE orgs_token SET last_used_at = now()
WHERE id = %s AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
"""

SESSIONS = """
INSERT INTO agent_sessions_session (id, org_id, agent_id, external_id, subject, status,
    turn_count, tokens_in, tokens_out, extracted_through, extract_attempts, created_at,
    last_turn_at, branched_from_id, branched_at_turn)
SELECT DISTINCT ON (agent_id, external_id, subject)
    session_id, %(org)s, agent_id, external_id, subject, 'active', 0, 0, 0, -1, 0, at, at,
    branched_from, branched_at_turn
FROM jsonb_to_recordset(%(items)s) AS i (session_id uuid, agent_id uuid, external_id text,
    subject text, at timestamptz, branched_from uuid, branched_at_turn int, n int,
    is_turn boolean)
WHERE is_turn
ORDER BY agent_id, external_id, subject, n
ON CONFLICT (agent_id, external_id, subject) DO NOTHING
"""

RECORD = """
WITH item AS MATERIALIZED (
    SELECT i.*, b.request, b.completion
    FROM jsonb_to_recordset(%(items)s) AS i (n int, is_turn boolean, turn_id uuid,
        record_id uuid, node_id uuid, session_id uuid, agent_id uuid, external_id text,
        subject text, at timestamptz, model text, provider text, is_streaming boolean,
        is_complete boolean, finish_reason text, tokens_in int, tokens_out int,
        tokens_cached int, usage_estimated boolean, latency_ms float8, ttfb_ms float8,
        overhead_ms float8, context_ms float8, context_level text, memories_injected int,
        context_tokens int, directive_version int, injected jsonb, assembly jsonb,
        skip_extraction boolean, request_id text, status int, error_code text, ends boolean,
        node text)
    JOIN unnest(%(requests)s::bytea[], %(completions)s::bytea[])
        WITH ORDINALITY AS b (request, completion, n) ON b.n = i.n
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
    SELECT turn_id, %(org)s, agent_id, found_session, subject, idx, request, completion, model,
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
    SELECT f.record_id, %(org)s, f.agent_id, n.found_session,
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
    SELECT DISTINCT ON (agent_id, node, subject) node_id, %(org)s, at, agent_id, subject,
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
    completes_at = CASE WHEN NOT sums.ends THEN now() + %(idle)s END,
    first_unextracted_at = coalesce(s.first_unextracted_at, now()),
    extract_after = CASE WHEN sums.ends THEN now() ELSE least(
        now() + interval '3 s', coalesce(s.first_unextracted_at, now()) + interval '6 s') END
FROM sums WHERE s.id = sums.found_session
"""


@dataclass(frozen=True)
class Route:
    """One row of `ibex_route`: all that a request needs to know of its caller."""

    token_id: UUID
    org_id: UUID
    token_agent_id: UUID | None
    permissions: int
    expires_at: datetime | None
    revoked_at: datetime | None
    allowed_ips: list[str]
    org_status: str
    org_rpm: int
    org_extraction_enabled: bool
    agent_id: UUID | None
    agent_status: str | None
    memory_scope: str | None
    memory_enabled: bool | None
    extraction_enabled: bool | None
    max_injected_memories: int | None
    memory_budget_tokens: int | None
    memory_position: str | None
    default_model: str | None
    directive_version: int | None
    directive_content: str | None
    injection_mode: str | None
    session_id: UUID | None
    session_turn_count: int | None
    node_session_id: UUID | None
    node_external_id: str | None
    node_turn_index: int | None
    node_taken_by: bytes | None
    node_is_shared: bool | None


RouteLookup = tuple[bytes, UUID | None, str | None, str | None, bytes | None]
"""Token digest, agent, the session's external id, subject, digest of the history."""


def make_pool(database_url: str) -> AsyncConnectionPool[AsyncConnection]:
    """Make the pool of autocommitting connections; it opens in the background."""
    return AsyncConnectionPool(
        database_url,
        min_size=2,
        max_size=12,
        open=False,
        timeout=1.0,
        reconnect_timeout=5.0,
        max_lifetime=3600.0,
        kwargs={"autocommit": True, "options": POOL_OPTIONS, "connect_timeout": 3},
    )


async def find_route(connection: AsyncConnection, lookup: RouteLookup) -> Route | None:
    """Read token, organization, agent, active directive and session in one query."""
    async with connection.cursor(row_factory=class_row(Route)) as cursor:
        await cursor.execute(ROUTE, lookup)
        return await cursor.fetchone()


async def take_node(
    connection: AsyncConnection, route: Route, *, subject: str | None, digest: bytes, by: bytes
) -> bool:
    """Take a conversation node for a continuation; False when another one has it."""
    values = {"agent": route.agent_id, "subject": subject, "digest": digest, "by": by}
    async with connection.transaction():
        await connection.execute(ENTER, [str(route.org_id)])
        cursor = await connection.execute(TAKE_NODE, values)
        return await cursor.fetchone() is not None
