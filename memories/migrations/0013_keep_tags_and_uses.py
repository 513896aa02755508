"""Keep by triggers which memory has which tag, and how often each stood in a prompt."""

from django.db import migrations

from ibex.schema import Tenant

KEEP_TAGS = """
CREATE FUNCTION memories_keep_tags() RETURNS trigger
LANGUAGE plpgsql SECURITY INVOKER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM memories_memorytag t
        WHERE t.org_id = OLD.org_id AND t.memory_id = OLD.id
          AND (TG_OP = 'DELETE' OR t.tag <> ALL (NEW.tags));
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO memories_memorytag (org_id, tag, memory_id)
        SELECT NEW.org_id, tag, NEW.id FROM unnest(NEW.tags) AS tag
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER memories_keep_tags_of_new AFTER INSERT ON memories_memory
    FOR EACH ROW WHEN (NEW.tags <> '{}') EXECUTE FUNCTION memories_keep_tags();
CREATE TRIGGER memories_keep_tags_of_changed AFTER UPDATE OF tags ON memories_memory
    FOR EACH ROW WHEN (OLD.tags IS DISTINCT FROM NEW.tags)
    EXECUTE FUNCTION memories_keep_tags();
CREATE TRIGGER memories_keep_tags_of_gone AFTER DELETE ON memories_memory
    FOR EACH ROW WHEN (OLD.tags <> '{}') EXECUTE FUNCTION memories_keep_tags();
"""

KEEP_USES = """
CREATE FUNCTION memories_keep_use() RETURNS trigger
LANGUAGE plpgsql SECURITY INVOKER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        DELETE FROM memories_memoryuse u WHERE u.org_id = OLD.org_id AND u.memory_id = OLD.id;
    ELSE
        INSERT INTO memories_memoryuse (org_id, memory_id, injected_count)
        VALUES (NEW.org_id, NEW.id, NEW.injected_count)
        ON CONFLICT (memory_id) DO UPDATE SET injected_count = EXCLUDED.injected_count;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER memories_keep_use_of_new AFTER INSERT ON memories_memory
    FOR EACH ROW WHEN (NEW.injected_count > 0) EXECUTE FUNCTION memories_keep_use();
CREATE TRIGGER memories_keep_use_of_changed AFTER UPDATE OF injected_count ON memories_memory
    FOR EACH ROW WHEN (OLD.injected_count <> NEW.injected_count)
    EXECUTE FUNCTION memories_keep_use();
CREATE TRIGGER memories_keep_use_of_gone AFTER DELETE ON memories_memory
    FOR EACH ROW WHEN (OLD.injected_count > 0) EXECUTE FUNCTION memories_keep_use();
"""

FORGET_TAGS = """
DROP TRIGGER memories_keep_tags_of_new ON memories_memory;
DROP TRIGGER memories_keep_tags_of_changed ON memories_memory;
DROP TRIGGER memories_keep_tags_of_gone ON memories_memory;
DROP FUNCTION memories_keep_tags();
"""

FORGET_USES = """
DROP TRIGGER memories_keep_use_of_new ON memories_memory;
DROP TRIGGER memories_keep_use_of_changed ON memories_memory;
DROP TRIGGER memories_keep_use_of_gone ON memories_memory;
DROP FUNCTION memories_keep_use();
"""

FILL = """
INSERT INTO memories_memorytag (org_id, tag, memory_id)
SELECT DISTINCT m.org_id, tag, m.id FROM memories_memory m, unnest(m.tags) AS tag;
INSERT INTO memories_memoryuse (org_id, memory_id, injected_count)
SELECT m.org_id, m.id, m.injected_count FROM memories_memory m WHERE m.injected_count > 0
"""


class Migration(migrations.Migration):
    dependencies = [("memories", "0012_browse_memories")]

    operations = [
        Tenant("memories_memorytag", {"memory_id": "memories_memory"}, has_id=False),
        Tenant("memories_memoryuse", {"memory_id": "memories_memory"}, has_id=False),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.RunSQL(KEEP_TAGS, FORGET_TAGS),
        migrations.RunSQL(KEEP_USES, FORGET_USES),
    ]
