"""Sessions that count more turns than they have: told from those that have lost some (ADR 0044).

Two commits of one group at once used to count it twice. A count and its turns are committed by one
statement, so nothing under way explains the difference: a turn in a proxy's spool is not counted
yet, and gets the next index when it comes. That statement writes a record of the call, too. A turn
that was counted twice has one record, and one that was lost has a record and no turn.
"""

from datetime import timedelta

from django.db.models import Max, Sum
from prometheus_client import Counter

from analytics.models import RequestRecord
from ibex.tenancy import tenant
from orgs import audit
from orgs.audit import Actor
from sessions.errors import ArchiveIncomplete
from sessions.models import Session

COUNTERS = ("turn_count", "tokens_in", "tokens_out", "error_count")
LATE = timedelta(days=1)
"""How long before its session a call may have begun that waited in a spool."""
RECOUNTED = Counter(
    "ibex_sessions_recounted_total",
    "Sessions that counted too many turns, and what was done.",
    ["outcome"],
)


def recount(session: Session) -> int:
    """Correct the counters of a session that counts turns it never had; return how many it has.

    `turn_count` stays one more than the last index, for it numbers the next turn: a turn that was
    counted twice between others leaves a gap. Raises `ArchiveIncomplete` unless the records prove
    that every turn is there, or if the session goes on meanwhile.
    """
    with tenant(session.org_id):
        row = Session.objects.select_for_update().filter(pk=session.pk).first()
        if row is None or row.turn_count != session.turn_count:
            raise ArchiveIncomplete
        turns = row.turns.order_by()
        stored = set(turns.values_list("pk", flat=True))
        records = RequestRecord.objects.filter(
            org=row.org_id,
            session_id=row.pk,
            created_at__range=(row.created_at - LATE, row.last_turn_at + LATE),
        )
        named = records.filter(turn_id__isnull=False)
        if stored != set(named.values_list("turn_id", flat=True)):
            RECOUNTED.labels("refused").inc()
            raise ArchiveIncomplete
        sums = turns.aggregate(last=Max("index"), into=Sum("tokens_in"), out=Sum("tokens_out"))
        before = {name: getattr(row, name) for name in COUNTERS}
        row.turn_count = 0 if sums["last"] is None else sums["last"] + 1
        row.tokens_in, row.tokens_out = sums["into"] or 0, sums["out"] or 0
        row.error_count = records.exclude(error_code="").count()
        after = {name: getattr(row, name) for name in COUNTERS}
        if after != before:
            row.save(update_fields=COUNTERS)
            audit.record(
                "session.recount",
                row,
                actor=Actor.system("worker"),
                before=before,
                after=after,
                subject=row.subject,
            )
            RECOUNTED.labels("corrected").inc()
    for name, value in after.items():
        setattr(session, name, value)
    return len(stored)
