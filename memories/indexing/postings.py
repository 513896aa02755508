"""The text index: which of an agent's searchable items hold a term, and how rare each term is.

Postings exist exactly for what may be found: active, visible memories and searchable passages.
An item without terms has no postings and is not counted. Every change locks the agent's corpus
row first and goes through the terms in order, so two writers wait for each other and never
deadlock. Call inside `tenant(org)`, in the transaction that changes the item.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import connection

LOCK_CORPUS = """
INSERT INTO memories_corpusstatistics AS corpus (org_id, agent_id, documents, total_length)
VALUES (%(org)s, %(agent)s, 0, 0)
ON CONFLICT (org_id, agent_id) DO UPDATE SET documents = corpus.documents
"""

REPLACE_POSTINGS = """
WITH wanted AS (
    SELECT term, frequency
    FROM unnest(%(terms)s::text[], %(frequencies)s::int[]) AS given (term, frequency)
), present AS (
    SELECT term, length FROM memories_posting
    WHERE org_id = %(org)s AND agent_id = %(agent)s AND item_id = %(item)s
), removed AS (
    DELETE FROM memories_posting
    WHERE org_id = %(org)s AND agent_id = %(agent)s AND item_id = %(item)s
      AND term <> ALL (%(terms)s::text[])
), written AS (
    INSERT INTO memories_posting AS posting
        (org_id, agent_id, term, item_id, kind, subject, frequency, length)
    SELECT %(org)s, %(agent)s, term, %(item)s, %(kind)s, %(subject)s, frequency, %(length)s
    FROM wanted
    ON CONFLICT (org_id, agent_id, term, item_id) DO UPDATE
    SET kind = excluded.kind, subject = excluded.subject,
        frequency = excluded.frequency, length = excluded.length
    WHERE (posting.kind, posting.subject, posting.frequency, posting.length)
        IS DISTINCT FROM (excluded.kind, excluded.subject, excluded.frequency, excluded.length)
), changes AS (
    SELECT term, 1 AS change FROM wanted WHERE term NOT IN (SELECT term FROM present)
    UNION ALL
    SELECT term, -1 FROM present WHERE term <> ALL (%(terms)s::text[])
), counted AS (
    INSERT INTO memories_termstatistics AS statistics (org_id, agent_id, term, documents)
    SELECT %(org)s, %(agent)s, term, greatest(change, 0) FROM changes ORDER BY term
    ON CONFLICT (org_id, agent_id, term) DO UPDATE
    SET documents = greatest(
        statistics.documents + CASE WHEN excluded.documents = 0 THEN -1 ELSE 1 END, 0)
)
UPDATE memories_corpusstatistics SET
    documents = greatest(
        documents + (%(length)s > 0)::int - (SELECT count(*) > 0 FROM present)::int, 0),
    total_length = greatest(
        total_length + %(length)s - coalesce((SELECT max(length) FROM present), 0), 0)
WHERE org_id = %(org)s AND agent_id = %(agent)s
"""


def index_item(
    *,
    org_id: UUID,
    agent_id: UUID,
    item_id: UUID,
    kind: int,
    subject: str | None,
    terms: Mapping[str, int],
) -> None:
    """Make an item findable by its terms (`memories.indexing.terms.count_terms`).

    Replaces what was indexed for it before; running it twice changes nothing. `kind` is a
    `Posting.Kind`. Two round trips.
    """
    parameters: dict[str, Any] = {
        "org": org_id,
        "agent": agent_id,
        "item": item_id,
        "kind": int(kind),
        "subject": subject,
        "terms": sorted(terms),
        "frequencies": [terms[term] for term in sorted(terms)],
        "length": sum(terms.values()),
    }
    with connection.cursor() as cursor:
        cursor.execute(LOCK_CORPUS, parameters)
        cursor.execute(REPLACE_POSTINGS, parameters)


def unindex_item(*, org_id: UUID, agent_id: UUID, item_id: UUID) -> None:
    """Take an item out of the text index; one that is not in it stays out."""
    index_item(org_id=org_id, agent_id=agent_id, item_id=item_id, kind=0, subject=None, terms={})
