"""The SQL of retrieval: what is a candidate, and what each candidate's row says.

Every statement takes named parameters, so that a server-side cursor (psycopg) and a client-side
one (Django) run the same text. BM25 and idf are each written once, here.
"""

from typing import Any, NamedTuple

from memories.retrieval.query import Query
from memories.retrieval.scope import (
    PASSAGE_IS_ALIVE,
    agent_wide,
    memory_is_alive,
    memory_is_visible,
    passage_is_visible,
    passage_subjects,
)

K1, B = 0.9, 0.4
"""BM25's saturation and length normalisation; measured best on LoCoMo (ADR 0040)."""
PER_BRANCH = 100
"""Candidates by meaning, and by words, of each kind."""
MAX_MATCHES = 3_000
"""Postings read for one query: rarest terms first until they would be more."""
AROUND = 2
"""Turns before and after a passage that say something about it."""

MEMORY_KIND, PASSAGE_KIND = 0, 1


class Statement(NamedTuple):
    """One SQL statement and its parameters."""

    sql: str
    parameters: dict[str, Any]


def bm25(frequency: str, length: str) -> str:
    """Return Okapi BM25 of one term in one item, for SQL that has `idf` and `mean_length`."""
    saturation = f"{K1} * ({1 - B} + {B} * {length} / mean_length)"
    return f"idf * {frequency} * {K1 + 1} / ({frequency} + {saturation})"


CORPUS = """corpus AS (
    SELECT coalesce(sum(documents), 0)::float8 AS documents,
           greatest(sum(total_length) / greatest(sum(documents), 1), 1)::float8 AS mean_length
    FROM memories_corpusstatistics
    WHERE org_id = %(org)s AND agent_id = %(agent)s
)"""
IDF = "ln(1 + (greatest(corpus.documents - {n}, 0) + 0.5) / ({n} + 0.5))"

ASKED_TERMS = f"""
WITH {CORPUS}
SELECT asked.term, coalesce(known.documents, 0),
       {IDF.format(n="coalesce(known.documents, 0)")}, {IDF.format(n=1)}, corpus.mean_length
FROM corpus CROSS JOIN unnest(%(terms)s::text[]) AS asked (term)
LEFT JOIN memories_termstatistics known
  ON known.org_id = %(org)s AND known.agent_id = %(agent)s AND known.term = asked.term
"""  # noqa: S608 - constants

TEXT_MATCHES = """
WITH {corpus}, known AS (
    SELECT term, documents, sum(documents) OVER (ORDER BY documents, term) AS covered
    FROM memories_termstatistics
    WHERE org_id = %(org)s AND agent_id = %(agent)s
      AND term = ANY (%(terms)s::text[]) AND documents > 0
), rarest AS (
    SELECT term, mean_length, {idf} AS idf FROM known CROSS JOIN corpus
    WHERE covered <= {most} OR covered = known.documents
), scored AS (
    SELECT item_id, kind, sum({bm25}) AS score FROM rarest CROSS JOIN LATERAL (
        SELECT o.item_id, o.kind, o.frequency, o.length FROM memories_posting o
        WHERE o.org_id = %(org)s AND o.agent_id = %(agent)s AND o.term = rarest.term
          AND {visible}
        ORDER BY o.item_id DESC LIMIT {most}
    ) posting GROUP BY item_id, kind
), ranked AS (
    SELECT item_id, kind, row_number() OVER (PARTITION BY kind ORDER BY score DESC, item_id) AS rank
    FROM scored
)
SELECT item_id, kind FROM ranked WHERE rank <= {each}
"""

ALWAYS = """
SELECT m.id FROM memories_memory m WHERE m.pinned AND {visible}
UNION
(SELECT m.id FROM memories_memory m
 WHERE m.session_id = %(session)s AND m.visibility = 'session' AND {visible}
 ORDER BY m.id DESC LIMIT {each})
"""

SCORED = """CROSS JOIN LATERAL (
    SELECT coalesce(sum({bm25}), 0) AS bm25, coalesce(sum(idf), 0) AS mass
    FROM unnest(%(terms)s::text[], %(idfs)s::float8[]) AS asked (term, idf)
    CROSS JOIN LATERAL (SELECT ({row}.terms ->> asked.term)::float8 AS frequency) AS found
    CROSS JOIN (SELECT %(mean_length)s::float8 AS mean_length) AS corpus
    WHERE {row}.terms ? asked.term
) AS words"""


class MemoryRow(NamedTuple):
    """A memory as `memories` returns it; cosine is None without a vector on either side."""

    id: Any
    bm25: float
    mass: float
    cosine: float | None
    content: str
    category: str
    source: str
    pinned: bool
    usefulness: float
    confidence: float
    observed_at: Any
    created_at: Any
    source_turns: list[Any]


class PassageRow(NamedTuple):
    """A passage as `passages` and `neighbourhood` return it; the text only from the latter."""

    id: Any
    bm25: float
    mass: float
    cosine: float | None
    session_id: Any
    turn_id: Any
    turn_index: int
    part: int
    role: str
    said_at: Any
    created_at: Any
    text: str


def scope_parameters(query: Query, terms: list[str]) -> dict[str, Any]:
    """Return the parameters that every statement takes."""
    return {
        "org": query.org_id,
        "agent": query.agent_id,
        "subject": query.subject,
        "session": query.session_id,
        "at": query.at,
        "terms": terms,
    }


def asked_terms(parameters: dict[str, Any]) -> Statement:
    """Ask how rare each term is: (term, documents, idf, idf of a hapax, mean length)."""
    return Statement(ASKED_TERMS, parameters)


def text_matches(query: Query, parameters: dict[str, Any]) -> Statement:
    """Find the best items by words: (item id, kind)."""
    sql = TEXT_MATCHES.format(
        corpus=CORPUS,
        idf=IDF.format(n="known.documents"),
        bm25=bm25("frequency", "length"),
        most=MAX_MATCHES,
        each=PER_BRANCH,
        visible=_posting_is_visible(query),
    )
    return Statement(sql, parameters)


def always(query: Query, parameters: dict[str, Any]) -> Statement:
    """Find what is a candidate whatever is asked: pinned memories, and the session's own."""
    sql = ALWAYS.format(visible=memory_is_visible(query), each=PER_BRANCH)
    return Statement(sql, parameters)


def memories(query: Query, parameters: dict[str, Any]) -> Statement:
    """Find memories by meaning, add those with the given ids, and score them all."""
    branches = _memory_branches(query, has_vector=parameters["vector"] is not None)
    sql = f"""
WITH candidate AS (SELECT unnest(%(ids)s::uuid[]) AS id {branches})
SELECT m.id, words.bm25, words.mass, 1 - (m.embedding <=> %(vector)s::halfvec), m.content,
       m.category, m.source, m.pinned, m.usefulness, m.confidence, m.observed_at, m.created_at,
       m.source_turns
FROM candidate JOIN memories_memory m USING (id) {_scored("m")}
WHERE {memory_is_visible(query)}"""  # noqa: S608 - our own conditions
    return Statement(sql, parameters)


def passages(query: Query, parameters: dict[str, Any]) -> Statement:
    """Find passages by meaning, add those with the given ids, and score them all."""
    branches = "".join(
        f"""
UNION (SELECT p.id FROM memories_passage p WHERE {PASSAGE_IS_ALIVE} AND {subject}
    ORDER BY p.embedding <=> %(vector)s::halfvec LIMIT {PER_BRANCH})"""  # noqa: S608
        for subject in passage_subjects(query)
        if parameters["vector"] is not None
    )
    sql = f"""
WITH candidate AS (SELECT unnest(%(ids)s::uuid[]) AS id {branches})
SELECT p.id, {_passage_columns("''")}
FROM candidate JOIN memories_passage p USING (id) {_scored("p")}
WHERE {passage_is_visible(query)}"""  # noqa: S608 - our own conditions
    return Statement(sql, parameters)


def neighbourhood(query: Query, parameters: dict[str, Any]) -> Statement:
    """Fetch and score the passages of the given turns and of those around them."""
    sql = f"""
WITH near AS (
    SELECT DISTINCT session_id, turn_index + step AS turn_index
    FROM unnest(%(sessions)s::uuid[], %(turns)s::int[]) AS given (session_id, turn_index)
    CROSS JOIN generate_series(-{AROUND}, {AROUND}) AS step
)
SELECT p.id, {_passage_columns("p.text")}
FROM near JOIN memories_passage p USING (session_id, turn_index) {_scored("p")}
WHERE {passage_is_visible(query)}"""  # noqa: S608 - our own conditions
    return Statement(sql, parameters)


def _passage_columns(text: str) -> str:
    return f"""words.bm25, words.mass, 1 - (p.embedding <=> %(vector)s::halfvec),
       p.session_id, p.turn_id, p.turn_index, p.part, p.role, p.said_at, p.created_at, {text}"""


def _scored(row: str) -> str:
    return SCORED.format(row=row, bm25=bm25("frequency", f"{row}.length"))


def _posting_is_visible(query: Query) -> str:
    """Keep out what would crowd the best out; rows are judged in full afterwards."""
    kinds = [MEMORY_KIND] * ("memory" in query.kinds) + [PASSAGE_KIND] * ("passage" in query.kinds)
    wide = "o.subject IS NULL"
    if query.memory_scope == "subject":
        wide += f""" AND o.kind = {MEMORY_KIND} AND EXISTS (
            SELECT FROM memories_memory m WHERE m.id = o.item_id AND {agent_wide(query)})"""
    own = """NOT EXISTS (SELECT FROM memories_passage p
            WHERE p.session_id = %(session)s AND p.id = o.item_id)"""
    listed = ", ".join(map(str, kinds))
    return f"o.kind IN ({listed}) AND {own} AND (o.subject = %(subject)s OR ({wide}))"


def _memory_branches(query: Query, *, has_vector: bool) -> str:
    """By meaning: agent-wide rows, the subject's, what other agents share. Of the past: by agent.

    What other agents share is few and has an index of its own, so words find it here as well.
    """
    alive = memory_is_alive(query)
    mine = f"{alive} AND m.agent_id = %(agent)s AND m.visibility <> 'session'"
    shared = f"""{alive} AND m.visibility = 'org' AND m.agent_id <> %(agent)s
        AND (m.subject = %(subject)s OR ({agent_wide(query)}))"""
    nearest = "ORDER BY m.embedding <=> %(vector)s::halfvec"
    worded = "AND m.terms ?| %(terms)s::text[] ORDER BY m.id DESC"
    branches = [f"{shared} {worded}"]
    if has_vector:
        branches += [f"{shared} {nearest}", f"{mine} AND {agent_wide(query)} {nearest}"]
        branches += [f"{mine} AND m.subject = %(subject)s {nearest}"] * (query.subject is not None)
    if query.as_of is not None:
        branches.append(f"{mine} AND m.status = 'superseded' {worded}")
    return "".join(
        f"\nUNION (SELECT m.id FROM memories_memory m WHERE {branch} LIMIT {PER_BRANCH})"  # noqa: S608
        for branch in branches
    )
