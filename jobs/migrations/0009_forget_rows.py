"""Drop the frozen rows of jobs that ended long ago, whatever their organization.

A job is marked in the statement that takes its first chunk, with its row locked: who tries it
again at the same moment either comes first, and its rows stay, or finds it marked.
"""

from django.db import migrations

from ibex.schema import Definer

FORGET = """
CREATE FUNCTION ibex_forget_job_rows(p_age interval, p_chunks integer) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH old AS (
        SELECT j.id FROM jobs_job j
        WHERE j.finished_at < now() - p_age AND j.state IN ('failed', 'cancelled', 'partial')
          AND EXISTS (SELECT 1 FROM jobs_jobchunk c WHERE c.job_id = j.id)
        ORDER BY j.finished_at LIMIT 100 FOR UPDATE SKIP LOCKED
    ), marked AS (
        UPDATE jobs_job j SET rows_forgotten_at = coalesce(j.rows_forgotten_at, now())
        FROM old WHERE j.id = old.id
        RETURNING j.id
    ), gone AS (
        DELETE FROM jobs_jobchunk WHERE id IN (
            SELECT c.id FROM marked JOIN jobs_jobchunk c ON c.job_id = marked.id LIMIT p_chunks
        )
        RETURNING 1
    )
    SELECT count(*) FROM gone
$$
"""


class Migration(migrations.Migration):
    dependencies = [("jobs", "0008_jobs_ended_in_part")]

    operations = [Definer("ibex_forget_job_rows(interval, integer)", FORGET)]
