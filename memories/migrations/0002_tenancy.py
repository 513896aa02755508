"""Put memories and the text index under row-level security; claim what waits for a vector."""

from django.db import migrations

from ibex.schema import Definer, Tenant

CLAIM_EMBEDDINGS = """
CREATE FUNCTION ibex_claim_embeddings(p_limit integer, p_lease interval)
RETURNS TABLE (org_id uuid, kind text, id uuid)
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH memories AS (
        UPDATE memories_memory m SET embed_claimed_until = now() + p_lease
        FROM (
            SELECT due.id FROM memories_memory due
            WHERE due.embed_after <= now()
              AND (due.embed_claimed_until IS NULL OR due.embed_claimed_until < now())
            ORDER BY due.embed_after LIMIT p_limit FOR UPDATE SKIP LOCKED
        ) due WHERE m.id = due.id
        RETURNING m.org_id, 'memory', m.id
    ), passages AS (
        UPDATE memories_passage p SET embed_claimed_until = now() + p_lease
        FROM (
            SELECT due.id FROM memories_passage due
            WHERE due.embed_after <= now()
              AND (due.embed_claimed_until IS NULL OR due.embed_claimed_until < now())
            ORDER BY due.embed_after LIMIT p_limit FOR UPDATE SKIP LOCKED
        ) due WHERE p.id = due.id
        RETURNING p.org_id, 'passage', p.id
    )
    SELECT * FROM memories UNION ALL SELECT * FROM passages
$$
"""

COVERING_KEY = """
ALTER TABLE memories_posting DROP CONSTRAINT memories_posting_pkey;
ALTER TABLE memories_posting ADD CONSTRAINT memories_posting_pkey
    PRIMARY KEY (org_id, agent_id, term, item_id) INCLUDE (kind, subject, frequency, length);
"""

PLAIN_KEY = """
ALTER TABLE memories_posting DROP CONSTRAINT memories_posting_pkey;
ALTER TABLE memories_posting ADD CONSTRAINT memories_posting_pkey
    PRIMARY KEY (org_id, agent_id, term, item_id);
"""

AGENT = {"agent_id": "agents_agent"}
SESSION = {"session_id": "agent_sessions_session"}
MEMORY = {"memory_id": "memories_memory"}


class Migration(migrations.Migration):
    dependencies = [("memories", "0001_initial"), ("agent_sessions", "0003_tenancy")]

    operations = [
        Tenant("memories_memory", AGENT | SESSION),
        Tenant("memories_memorylabel", MEMORY),
        Tenant("memories_memoryversion", MEMORY, append_only=True),
        Tenant(
            "memories_memoryrelationship",
            {"source_id": "memories_memory", "target_id": "memories_memory"},
        ),
        Tenant("memories_passage", AGENT | SESSION | {"turn_id": "agent_sessions_turn"}),
        Tenant("memories_posting", AGENT, has_id=False),
        Tenant("memories_termstatistics", AGENT, has_id=False),
        Tenant("memories_corpusstatistics", AGENT, has_id=False),
        migrations.RunSQL(COVERING_KEY, PLAIN_KEY),
        migrations.RunSQL(
            "ALTER TABLE memories_memory ADD CONSTRAINT memory_content_fits "
            "CHECK (octet_length(content) BETWEEN 1 AND 10000)",
            "ALTER TABLE memories_memory DROP CONSTRAINT memory_content_fits",
        ),
        Definer("ibex_claim_embeddings(integer, interval)", CLAIM_EMBEDDINGS),
    ]
