"""The SQL of retrieval, one statement a round trip: what words find, scores, neighbours.

Every statement takes named parameters, so that a server-side cursor (psycopg) and a client-side
one (Django) run the same text. BM25 and idf are each written once, here.
"""

from datetime import datetime
from typing import Any, NamedTuple

from memories.retrieval.multipliers import NEUTRAL, PASSAGE_CATEGORY
from memories.retrieval.query import Query
from memories.retrieval.scope import (
    PASSAGE_IS_ALIVE,
    agent_wide,
    memory_is_visible,
    memory_of_agent,
    memory_shared,
    of_agent,
    passage_is_visible,
    passage_subjects,
    posting_is_visible,
)

K1, B = 0.9, 0.4
"""BM25's saturation and length normalisation; measured best on LoCoMo (ADR 0040)."""
PER_BRANCH = 100
"""Candidates by meaning, and by words, of each kind."""
MAX_MATCHES = 3_000
"""Postings read for one query: rarest terms first until they would be more."""
AROUND = 2
"""Turns before and after a passage that say something about it."""

MEMORY, PASSAGE = 0, 1


class Statement(NamedTuple):
    """One SQL statement and its parameters."""

    sql: str
    parameters: dict[str, Any]


class Row(NamedTuple):
    """One scored item. The cosine is None without a vector on either side.

    A passage has no text yet when it is scored, only when its neighbourhood is fetched. Ids are
    texts: most rows are only compared, and a text is quicker to make and to hash than a UUID.
    """

    kind: int
    id: str
    bm25: float
    mass: float
    matched: int
    cosine: float | None
    content: str
    at: datetime
    created_at: datetime
    category: str
    source: str
    pinned: bool
    usefulness: float
    confidence: float
    turns: list[str]
    session_id: str | None
    turn_index: int
    part: int
    role: str


def scope_parameters(query: Query, terms: str) -> dict[str, Any]:
    """Return the parameters that every statement takes; `terms` is an array literal."""
    return {
        "org": query.org_id,
        "agent": query.agent_id,
        "agents": list(query.overseen),
        "subject": query.subject,
        "session": query.session_id,
        "at": query.at,
        "terms": terms,
    }


def bm25(frequency: str, length: str) -> str:
    """Return Okapi BM25 of one term in one item, for SQL that has `idf` and `mean_length`."""
    saturation = f"{K1} * ({1 - B} + {B} * {length} / mean_length)"
    return f"idf * {frequency} * {K1 + 1} / ({frequency} + {saturation})"


def idf(documents: str) -> str:
    """Return the idf of a term that so many of the corpus' items hold."""
    return f"ln(1 + (greatest(corpus.documents - {documents}, 0) + 0.5) / ({documents} + 0.5))"


def found(query: Query, parameters: dict[str, Any]) -> Statement:
    """Ask for the query's terms, the best items by words, and what is a candidate anyway.

    Rows of terms: (None, None, term, documents, idf, idf of a hapax, mean length); rows of items:
    (id, kind, and None). Anyway: pinned memories, and those of the request's own session.
    """
    visible = memory_is_visible(query)
    sql = f"""
WITH corpus AS MATERIALIZED (
    SELECT coalesce(sum(documents), 0)::float8 AS documents,
           greatest(sum(total_length) / greatest(sum(documents), 1), 1)::float8 AS mean_length
    FROM memories_corpusstatistics s WHERE s.org_id = %(org)s AND {of_agent(query, "s")}
), asked AS MATERIALIZED (
    SELECT given.term, coalesce(known.documents, 0) AS documents,
           sum(known.documents) OVER (ORDER BY known.documents, given.term) AS covered
    FROM unnest(%(terms)s::text[]) AS given (term)
    LEFT JOIN {_term_statistics(query)}
), rarest AS MATERIALIZED (
    SELECT term, mean_length, {idf("asked.documents")} AS idf FROM asked CROSS JOIN corpus
    WHERE asked.documents > 0 AND (covered <= {MAX_MATCHES} OR covered = asked.documents)
), matches AS MATERIALIZED (
    SELECT item_id, kind, sum({bm25("frequency", "length")}) AS score
    FROM rarest {_postings(query)} GROUP BY item_id, kind
)
SELECT NULL::text, NULL::int, term, asked.documents, {idf("asked.documents")}, {idf("1")},
       corpus.mean_length
FROM asked CROSS JOIN corpus
UNION ALL
({_best_matches(MEMORY)})
UNION ALL
({_best_matches(PASSAGE)})
UNION ALL
SELECT m.id::text, {MEMORY}, NULL, NULL, NULL, NULL, NULL FROM memories_memory m
WHERE m.pinned AND {"false" if query.overseen else visible}
UNION ALL
(SELECT m.id::text, {MEMORY}, NULL, NULL, NULL, NULL, NULL FROM memories_memory m
 WHERE m.session_id = %(session)s AND m.visibility = 'session' AND {visible}
 ORDER BY m.id DESC LIMIT {PER_BRANCH})"""  # noqa: S608 - our own conditions
    return Statement(sql, parameters)


def scored(query: Query, parameters: dict[str, Any]) -> Statement:
    """Find items by meaning, add those with the given ids, and score them all as `Row`s."""
    has_vector = parameters["vector"] is not None
    kinds = {
        "memory": _scored_memories(query, has_vector=has_vector),
        "passage": _scored_passages(query, has_vector=has_vector),
    }
    sql = "\nUNION ALL".join(sql for kind, sql in kinds.items() if kind in query.kinds)
    return Statement(f"{sql}\nORDER BY 2", parameters)  # equal scores keep this order


def neighbourhood(query: Query, parameters: dict[str, Any]) -> Statement:
    """Fetch and score the passages of the given turns and of those around them, with text."""
    sql = f"""
WITH near AS (
    SELECT DISTINCT session_id, turn_index + step AS turn_index
    FROM unnest(%(sessions)s::uuid[], %(turns)s::int[]) AS given (session_id, turn_index)
    CROSS JOIN generate_series(-{AROUND}, {AROUND}) AS step
)
SELECT {_passage_columns("p.text")}
FROM near JOIN memories_passage p USING (session_id, turn_index) {_words("p")}
WHERE {passage_is_visible(query)}
ORDER BY 2"""  # noqa: S608 - our own conditions
    return Statement(sql, parameters)


def _term_statistics(query: Query) -> str:
    """Join in how many items each term occurs; those of several agents are added up."""
    if not query.overseen:
        return """memories_termstatistics known
      ON known.org_id = %(org)s AND known.agent_id = %(agent)s AND known.term = given.term"""
    return """(
        SELECT term, sum(documents) AS documents FROM memories_termstatistics
        WHERE org_id = %(org)s AND agent_id = ANY(%(agents)s::uuid[])
          AND term = ANY(%(terms)s::text[]) GROUP BY term
    ) AS known ON known.term = given.term"""


def _postings(query: Query) -> str:
    """Join the newest postings of each term; several agents share the number that is read."""
    count = max(MAX_MATCHES // max(len(query.overseen), 1), PER_BRANCH)
    asking = "%(agent)s"
    each = ""
    if query.overseen:
        asking, each = "overseen.agent", "CROSS JOIN unnest(%(agents)s::uuid[]) AS overseen (agent)"
    return f"""{each} CROSS JOIN LATERAL (
        SELECT o.item_id, o.kind, o.frequency, o.length FROM memories_posting o
        WHERE o.org_id = %(org)s AND o.agent_id = {asking} AND o.term = rarest.term
          AND {posting_is_visible(query)}
        ORDER BY o.item_id DESC LIMIT {count}
    ) AS posting"""  # noqa: S608 - our own conditions


def _best_matches(kind: int) -> str:
    return f"""SELECT item_id::text, kind, NULL, NULL, NULL, NULL, NULL FROM matches
WHERE kind = {kind} ORDER BY score DESC, item_id LIMIT {PER_BRANCH}"""  # noqa: S608 - constants


def _scored_memories(query: Query, *, has_vector: bool) -> str:
    """Score memories. What other agents share is few, has its own index, and is searched here."""
    return f"""
(WITH shared AS MATERIALIZED (
    SELECT m.id, m.terms ?| %(terms)s::text[] AS is_worded,
           m.embedding <=> %(vector)s::halfvec AS distance
    FROM memories_memory m WHERE {memory_shared(query)}
), candidate AS (
    SELECT unnest(%(memories)s::uuid[]) AS id
    UNION (SELECT id FROM shared WHERE is_worded ORDER BY id DESC LIMIT {PER_BRANCH})
    {_memory_branches(query, has_vector=has_vector)}
)
SELECT {MEMORY}, m.id::text COLLATE "C", words.bm25, words.mass, words.matched,
       1 - (m.embedding <=> %(vector)s::halfvec), m.content, m.observed_at, m.created_at,
       m.category, m.source, m.pinned, m.usefulness, m.confidence, m.source_turns::text[],
       NULL::text, 0, 0, ''
FROM candidate JOIN memories_memory m USING (id) {_words("m")}
WHERE {memory_is_visible(query)})"""  # noqa: S608 - our own conditions


def _scored_passages(query: Query, *, has_vector: bool) -> str:
    branches = [
        f"p.id FROM memories_passage p WHERE {PASSAGE_IS_ALIVE} AND {subject} {_nearest('p')}"
        for subject in passage_subjects(query)
    ]
    return f"""
(WITH candidate AS (
    SELECT unnest(%(passages)s::uuid[]) AS id {_union(branches if has_vector else [])}
)
SELECT {_passage_columns("''")}
FROM candidate JOIN memories_passage p USING (id) {_words("p")}
WHERE {passage_is_visible(query)})"""  # noqa: S608 - our own conditions


def _memory_branches(query: Query, *, has_vector: bool) -> str:
    """By meaning: agent-wide rows, the subject's, shared ones. Of the past: by words as well."""
    mine = f"m.id FROM memories_memory m WHERE {memory_of_agent(query)}"
    branches = []
    if has_vector:
        branches += [f"{mine} AND {agent_wide(query)} {_nearest('m')}"]
        branches += [f"{mine} AND m.subject = %(subject)s {_nearest('m')}"] * bool(query.subject)
        branches += ["id FROM shared ORDER BY distance"]
    if query.as_of is not None:
        worded = "m.terms ?| %(terms)s::text[] ORDER BY m.id DESC"
        branches += [f"{mine} AND m.status = 'superseded' AND {worded}"]
    return _union(branches)


def _union(branches: list[str]) -> str:
    return "".join(f"\n    UNION (SELECT {branch} LIMIT {PER_BRANCH})" for branch in branches)


def _nearest(row: str) -> str:
    return f"ORDER BY {row}.embedding <=> %(vector)s::halfvec"


def _passage_columns(text: str) -> str:
    return f"""{PASSAGE}, p.id::text COLLATE "C", words.bm25, words.mass, words.matched,
       1 - (p.embedding <=> %(vector)s::halfvec), {text}, p.said_at, p.created_at,
       '{PASSAGE_CATEGORY}', '', false, {NEUTRAL}::float8, {NEUTRAL}::float8,
       ARRAY[p.turn_id::text], p.session_id::text, p.turn_index, p.part, p.role"""


def _words(row: str) -> str:
    """Join BM25, the matched idf mass and how many terms match, from the terms a row carries."""
    return f"""CROSS JOIN LATERAL (
    SELECT coalesce(sum({bm25("frequency", f"{row}.length")}), 0) AS bm25,
           coalesce(sum(idf), 0) AS mass, count(*) AS matched
    FROM unnest(%(terms)s::text[], %(idfs)s::float8[]) AS given (term, idf)
    CROSS JOIN LATERAL (SELECT ({row}.terms ->> given.term)::float8 AS frequency) AS held
    CROSS JOIN (SELECT %(mean_length)s::float8 AS mean_length) AS corpus
    WHERE {row}.terms ? given.term
) AS words"""  # noqa: S608 - constants
