"""What came of each version: the sessions that ran it, and how its latest calls went."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from agents.models import Agent
from directives.models import DirectiveVersion
from ibex.counts import CAP, capped

SAMPLE = 1_000
"""The figures of a version are of its latest calls, at most so many."""

USAGE = """
SELECT v.id, s.sessions, c.calls, c.failed, c.tokens_per_turn, c.latency_p50_ms
FROM directives_directiveversion v
CROSS JOIN LATERAL (
    SELECT count(*) AS sessions FROM (
        SELECT 1 FROM agent_sessions_session s
        WHERE s.org_id = v.org_id AND s.agent_id = %(agent)s AND s.directive_version = v.number
        LIMIT %(cap)s
    ) AS counted
) AS s
CROSS JOIN LATERAL (
    SELECT count(*) AS calls,
        count(*) FILTER (WHERE latest.error_code <> '') AS failed,
        (sum(latest.tokens_in + latest.tokens_out) FILTER (WHERE latest.is_turn))::float
            / nullif(count(*) FILTER (WHERE latest.is_turn), 0) AS tokens_per_turn,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY latest.latency_ms)
            FILTER (WHERE latest.is_turn) AS latency_p50_ms
    FROM (
        SELECT r.error_code, r.tokens_in, r.tokens_out, r.latency_ms,
            r.turn_id IS NOT NULL AS is_turn
        FROM analytics_requestrecord r
        WHERE r.org_id = v.org_id AND r.agent_id = %(agent)s AND r.directive_version = v.number
          AND r.created_at >= v.created_at
        ORDER BY r.created_at DESC LIMIT %(sample)s
    ) AS latest
) AS c
WHERE v.org_id = %(org)s AND v.id = ANY(%(versions)s)
"""
"""No call ran a version before it was pushed: that bound leaves out the partitions before it."""


@dataclass(frozen=True)
class Usage:
    """One version: its sessions (of which none is counted past the cap), and its latest calls.

    A session counts for the version of its latest turn. `failed` counts the calls with an error;
    tokens (in and out) and the median latency in ms are of the calls that were turns, None if none.
    """

    sessions: int = 0
    calls: int = 0
    failed: int = 0
    tokens_per_turn: float | None = None
    latency_p50_ms: float | None = None

    @property
    def sessions_words(self) -> str:
        """The number of sessions, or that there are more than are counted."""
        return capped(self.sessions)

    @property
    def calls_words(self) -> str:
        """The number of calls, or that there are as many or more than are looked at."""
        return f"{self.calls:,}{'+' if self.calls == SAMPLE else ''}"

    @property
    def failed_percent(self) -> float:
        """How many of the calls failed, in percent."""
        return 100 * self.failed / self.calls if self.calls else 0.0


def usage_of(agent: Agent, versions: Collection[DirectiveVersion]) -> dict[UUID, Usage]:
    """Look up what came of `agent`'s versions, by their ids; inside the tenant. One query."""
    asked: dict[str, Any] = {
        "org": agent.org_id,
        "agent": agent.pk,
        "versions": [version.pk for version in versions],
        "cap": CAP + 1,
        "sample": SAMPLE,
    }
    with connection.cursor() as cursor:
        cursor.execute(USAGE, asked)
        return {pk: Usage(*figures) for pk, *figures in cursor.fetchall()}
