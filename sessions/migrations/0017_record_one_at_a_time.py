"""Two calls that record the same turns at once count them once (ADR 0045).

A recorder that waited too long for a commit replays the group while the first may still commit.
So a call locks the names of its sessions first, by a statement of its own: what is stored is read
by the next one, whose snapshot is taken once the locks are held. All are taken before any row is,
and in one order, so that two groups never wait for each other.
"""

from importlib import import_module

from django.db import migrations

FORMER = import_module("sessions.migrations.0013_look_only_for_failures")
BEFORE = FORMER.BEFORE.replace(FORMER.OLD, FORMER.NEW)
BEGIN = "BEGIN\n    FOR v_org IN"
LOCK = """BEGIN
    PERFORM pg_advisory_xact_lock(name) FROM (
        SELECT DISTINCT hashtextextended(concat_ws(' ', 'ibex.record:' || (item ->> 'agent_id'),
            item ->> 'external_id', item ->> 'subject'), 0) AS name
        FROM jsonb_array_elements(p_items) item ORDER BY 1
    ) names;

    FOR v_org IN"""
if BEFORE.count(BEGIN) != 1:
    raise RuntimeError("0013_look_only_for_failures has changed; this migration builds on it.")
RECORD = BEFORE.replace(BEGIN, LOCK)


class Migration(migrations.Migration):
    dependencies = [("agent_sessions", "0016_sessions_with_errors")]

    operations = [migrations.RunSQL([RECORD, FORMER.KEEPS], [BEFORE, FORMER.KEEPS])]
