"""Sessions of calls that failed alone are looked for only when there are such calls (ADR 0045).

Whoever replaces a function takes its settings away, so they are given anew in both directions.
"""

from importlib import import_module

from django.db import migrations

BEFORE = import_module("sessions.migrations.0011_record_errors").RECORD
OLD = "WHERE s.id = ANY (ARRAY(SELECT p.found_session FROM placed p WHERE p.is_alone))"
NEW = f"WHERE EXISTS (SELECT FROM placed p WHERE p.is_alone) AND {OLD.removeprefix('WHERE ')}"
if BEFORE.count(OLD) != 1:
    raise RuntimeError("0011_record_errors has changed; this migration builds on its text.")
KEEPS = "ALTER FUNCTION ibex_record(jsonb, bytea[], bytea[], interval) SET enable_seqscan = off"


class Migration(migrations.Migration):
    dependencies = [("agent_sessions", "0012_meet_rows_by_index")]

    operations = [migrations.RunSQL([BEFORE.replace(OLD, NEW), KEEPS], [BEFORE, KEEPS])]
