"""Who may see what, as SQL conditions.

Written so that each is an index range or a filter on rows that are already few: subject rows and
agent-wide rows are separate branches, never an OR inside an index scan (14.8 ms instead of 2).
"""

from memories.retrieval.query import Query

MAX_INJECTION_RISK = 0.70

SHARED_SOURCE = "(m.pinned OR m.source = 'user_provided')"
"""What an agent of scope `subject` may say to everyone: what operators wrote, not what was said."""

ACTIVE = "m.status = 'active'"
ALIVE = """m.valid_from <= %(at)s AND (m.valid_until IS NULL OR m.valid_until > %(at)s)
    AND (m.expires_at IS NULL OR m.expires_at > %(at)s)"""

PASSAGE_IS_ALIVE = f"""p.org_id = %(org)s AND p.agent_id = %(agent)s AND p.status = 'searchable'
    AND p.injection_risk <= {MAX_INJECTION_RISK}
    AND p.session_id IS DISTINCT FROM %(session)s AND p.said_at <= %(at)s"""
"""Searchable, not poisoned, not of the request's own session, said by then."""


def memory_is_alive(query: Query) -> str:
    """Keep what is active and valid now; of the past, what was superseded since as well."""
    status = ACTIVE if query.as_of is None else "m.status IN ('active', 'superseded')"
    return f"m.org_id = %(org)s AND {status} AND {ALIVE}"


def agent_wide(query: Query) -> str:
    """Keep memories that are about nobody: all of them, or only what operators wrote."""
    wide = "m.subject IS NULL"
    return wide if query.memory_scope == "agent" else f"{wide} AND {SHARED_SOURCE}"


def memory_is_visible(query: Query) -> str:
    """Judge one memory in full, whichever way it was found."""
    mine = "m.visibility = 'session' AND m.agent_id = %(agent)s AND m.session_id = %(session)s"
    reach = "m.visibility = 'org' OR (m.visibility = 'agent' AND m.agent_id = %(agent)s)"
    return f"""{memory_is_alive(query)}
    AND (({mine} AND (m.subject IS NULL OR m.subject = %(subject)s))
      OR (({reach}) AND (m.subject = %(subject)s OR ({agent_wide(query)}))))"""


def passage_subjects(query: Query) -> list[str]:
    """Say whose passages, one condition per index range; none when nobody's may be seen."""
    subjects = ["p.subject = %(subject)s"] if query.subject is not None else []
    if query.memory_scope == "agent":
        subjects.append("p.subject IS NULL")
    return subjects


def passage_is_visible(query: Query) -> str:
    """Judge one passage in full, whichever way it was found."""
    return f"{PASSAGE_IS_ALIVE} AND ({' OR '.join(passage_subjects(query)) or 'false'})"
