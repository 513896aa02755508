"""One statement records a group of calls: numbered, once, and at a cost that stays the same."""

from datetime import timedelta

import orjson
from django.db import connection
from django.db.backends.utils import CursorWrapper

from agents.models import Agent
from analytics.models import RequestRecord
from ibex.ids import uuid7
from ibex.tenancy import tenant
from proxy.store import RECORD
from proxy.turns import CallRecord
from sessions.models import Session, SessionError, Turn
from tests.api.rows import make_call, make_session
from tests.conftest import World

READ = """
SELECT coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables
WHERE relname = 'agent_sessions_session'
"""
FEW = 3
"""Rows that versions of the same row may cost, of 301 sessions."""


def call_of(
    agent: Agent, name: str, *, subject: str | None = None, failed: bool = False
) -> CallRecord:
    call = CallRecord(
        org_id=agent.org_id,
        agent_id=agent.pk,
        session_id=uuid7(),
        external_id=name,
        subject=subject,
        request_id=str(uuid7()),
        model="m",
        provider="local",
        is_streaming=False,
        tokens_in=10,
        tokens_out=1,
    )
    if failed:
        call.is_turn, call.status, call.error_code = False, 502, "PROVIDER_ERROR"
    call.set_request({"model": "m"}, [{"role": "user", "content": f"To {name}"}])
    call.set_completion(b'{"choices": []}')
    return call


def rows_read(cursor: CursorWrapper) -> int:
    """Count the rows of sessions that this transaction has read so far."""
    cursor.execute(READ)
    (count,) = cursor.fetchone() or (0,)
    return int(count)


def record(*calls: CallRecord) -> int:
    """Record a group; return how many rows of stored sessions were read for it."""
    items = orjson.dumps([call.columns(n) for n, call in enumerate(calls, start=1)]).decode()
    bodies = [call.request for call in calls], [call.completion for call in calls]
    with tenant(calls[0].org_id), connection.cursor() as cursor:
        before = rows_read(cursor)
        cursor.execute(RECORD, [items, *bodies, timedelta(minutes=30)])
        return rows_read(cursor) - before


def turns_of(agent: Agent) -> list[tuple[str, str | None, int, str]]:
    with tenant(agent.org_id):
        rows = Turn.objects.filter(agent=agent).order_by("session__external_id", "subject", "index")
        return [(t.session.external_id, t.subject, t.index, t.request_id) for t in rows]


def test_a_group_numbers_the_turns_of_each_session_in_their_order(world: World) -> None:
    record(call_of(world.scout, "one"))
    group = [
        call_of(world.scout, "one"),
        call_of(world.scout, "two"),
        call_of(world.scout, "one", failed=True),
        call_of(world.scout, "one", subject="ada"),
        call_of(world.scout, "one"),
    ]
    record(*group)
    recorded = [turn[:3] for turn in turns_of(world.scout)]
    assert recorded == [
        ("one", "ada", 0),
        ("one", None, 0),
        ("one", None, 1),
        ("one", None, 2),
        ("two", None, 0),
    ]
    with tenant(world.acme):
        one = Session.objects.get(agent=world.scout, external_id="one", subject=None)
        failed = RequestRecord.objects.get(agent_id=world.scout.pk, status=502)
        assert RequestRecord.objects.filter(agent_id=world.scout.pk).count() == 6
    assert (one.turn_count, one.tokens_in, one.tokens_out) == (3, 30, 3)
    assert (failed.turn_id, failed.session_id) == (None, one.pk)
    assert one.error_count == 1


def test_a_failed_call_is_told_to_the_session_that_is_there(world: World) -> None:
    record(call_of(world.scout, "one"))
    with tenant(world.acme):
        one = Session.objects.get(agent=world.scout)
    again, stranger = (call_of(world.scout, "one", failed=True) for _ in range(2))
    again.session_id = one.pk
    record(again, stranger)
    record(again)
    with tenant(world.acme):
        records = RequestRecord.objects.filter(agent_id=world.scout.pk, status=502)
        told = dict(records.values_list("request_id", "session_id"))
        one.refresh_from_db()
    assert told == {again.request_id: one.pk, stranger.request_id: None}
    assert (one.turn_count, one.error_count) == (1, 1)


def test_another_orgs_session_is_not_told(world: World) -> None:
    record(call_of(world.spy, "one"))
    with tenant(world.elsewhere):
        theirs = Session.objects.get(agent=world.spy)
    ours = call_of(world.scout, "one", failed=True)
    ours.session_id = theirs.pk
    record(ours)
    with tenant(world.acme):
        assert RequestRecord.objects.get(agent_id=world.scout.pk).session_id is None
    with tenant(world.elsewhere):
        theirs.refresh_from_db()
    assert theirs.error_count == 0


def test_what_is_delivered_twice_is_recorded_once(world: World) -> None:
    known, new = call_of(world.scout, "one"), call_of(world.scout, "one")
    record(known)
    record(known)
    record(known, new)
    assert [turn[2:] for turn in turns_of(world.scout)] == [
        (0, known.request_id),
        (1, new.request_id),
    ]
    with tenant(world.acme):
        assert Session.objects.get(agent=world.scout).turn_count == 2
        assert RequestRecord.objects.filter(agent_id=world.scout.pk).count() == 2


def test_a_group_of_two_orgs_is_recorded_in_each(world: World) -> None:
    ours, theirs = call_of(world.scout, "one"), call_of(world.spy, "one")
    record(ours, theirs)
    assert [turn[3] for turn in turns_of(world.scout)] == [ours.request_id]
    assert [turn[3] for turn in turns_of(world.spy)] == [theirs.request_id]


def test_its_cost_does_not_grow_with_the_sessions_that_are_stored(world: World) -> None:
    """The plan is made while there are none; it must still be right when there are many."""
    for _ in range(8):
        record(call_of(world.scout, "first"))
    for hundred in range(3):
        record(*(call_of(world.scout, f"{hundred}-{n}") for n in range(100)))
    assert record(call_of(world.scout, "1-50")) <= FEW
    assert record(call_of(world.scout, "another")) <= FEW


def test_a_session_knows_with_which_codes_its_calls_ended(world: World) -> None:
    failed = [call_of(world.scout, "one", failed=True) for _ in range(3)]
    failed[2].error_code = "PROVIDER_TIMEOUT"
    record(call_of(world.scout, "one"), *failed[:2])
    with tenant(world.acme):
        failed[2].session_id = Session.objects.get(agent=world.scout, external_id="one").pk
    record(failed[2], call_of(world.scout, "two"))
    known = SessionError.objects.filter(session__agent=world.scout)
    with tenant(world.acme):
        codes = known.values_list("session__external_id", "error_code")
        assert list(codes) == [("one", "PROVIDER_ERROR"), ("one", "PROVIDER_TIMEOUT")]
    with tenant(world.elsewhere):
        assert not SessionError.objects.exists()


def test_what_a_session_failed_with_goes_with_it(world: World) -> None:
    gone, kept = make_session(world.scout), make_session(world.scout)
    for session in (gone, kept):
        make_call(world.scout, session_id=session.pk, status=502, error_code="PROVIDER_ERROR")
    with tenant(world.acme):
        assert SessionError.objects.filter(session__in=[gone, kept]).count() == 2
        Session.objects.filter(pk=gone.pk)._raw_delete("default")
        assert SessionError.objects.get().session_id == kept.pk
