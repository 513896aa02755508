"""Keep by a trigger from which turns memories were made, under row-level security."""

from django.db import migrations

from ibex.schema import Tenant

KEEP = """
CREATE FUNCTION memories_keep_sources() RETURNS trigger
LANGUAGE plpgsql SECURITY INVOKER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM memories_memorysource s
        WHERE s.org_id = OLD.org_id AND s.memory_id = OLD.id
          AND (TG_OP = 'DELETE' OR s.turn_id <> ALL (NEW.source_turns));
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO memories_memorysource (org_id, turn_id, memory_id)
        SELECT NEW.org_id, turn, NEW.id FROM unnest(NEW.source_turns) AS turn
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER memories_keep_sources_of_new AFTER INSERT ON memories_memory
    FOR EACH ROW WHEN (NEW.source_turns <> '{}') EXECUTE FUNCTION memories_keep_sources();
CREATE TRIGGER memories_keep_sources_of_changed AFTER UPDATE OF source_turns ON memories_memory
    FOR EACH ROW WHEN (OLD.source_turns IS DISTINCT FROM NEW.source_turns)
    EXECUTE FUNCTION memories_keep_sources();
CREATE TRIGGER memories_keep_sources_of_gone AFTER DELETE ON memories_memory
    FOR EACH ROW WHEN (OLD.source_turns <> '{}') EXECUTE FUNCTION memories_keep_sources();
"""

FORGET = """
DROP TRIGGER memories_keep_sources_of_new ON memories_memory;
DROP TRIGGER memories_keep_sources_of_changed ON memories_memory;
DROP TRIGGER memories_keep_sources_of_gone ON memories_memory;
DROP FUNCTION memories_keep_sources();
"""

FILL = """
INSERT INTO memories_memorysource (org_id, turn_id, memory_id)
SELECT DISTINCT m.org_id, turn, m.id FROM memories_memory m, unnest(m.source_turns) AS turn
"""


class Migration(migrations.Migration):
    dependencies = [("memories", "0009_memory_source")]

    operations = [
        Tenant("memories_memorysource", {"memory_id": "memories_memory"}, has_id=False),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.RunSQL(KEEP, FORGET),
    ]
