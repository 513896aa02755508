"""All SQL of the proxy, and the rows it reads. Runs as `ibex_app` under row-level security."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg import AsyncConnection

from ibex.pools import RECONNECT_S, SurePool

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
    extract_after = CASE WHEN turn_count - 1 > extracted_through THEN now() ELSE extract_after END,
    archive_after = now(), archive_claimed_until = NULL
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

RECORD = "SELECT ibex_record(%s, %s, %s, %s)"


@dataclass(frozen=True)
class Route:
    """One row of `ibex_route`, its columns in order: what a request needs to know of its caller."""

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


def make_pool(database_url: str) -> SurePool:
    """Make the pool of autocommitting connections; it opens in the background."""
    return SurePool(
        database_url,
        min_size=2,
        max_size=12,
        open=False,
        timeout=1.0,
        reconnect_timeout=RECONNECT_S,
        max_lifetime=3600.0,
        kwargs={"autocommit": True, "connect_timeout": 3},
    )


async def find_route(connection: AsyncConnection, lookup: RouteLookup) -> Route | None:
    """Read token, organization, agent, active directive and session in one query."""
    row = await (await connection.execute(ROUTE, lookup)).fetchone()
    return None if row is None else Route(*row)


async def take_node(
    connection: AsyncConnection, route: Route, *, subject: str | None, digest: bytes, by: bytes
) -> bool:
    """Take a conversation node for a continuation; False when another one has it."""
    values = {"agent": route.agent_id, "subject": subject, "digest": digest, "by": by}
    async with connection.transaction():
        await connection.execute(ENTER, [str(route.org_id)])
        cursor = await connection.execute(TAKE_NODE, values)
        return await cursor.fetchone() is not None
