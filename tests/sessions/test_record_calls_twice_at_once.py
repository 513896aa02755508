"""A group that is replayed while its first commit still runs is recorded once (ADR 0045)."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import orjson
import psycopg
import pytest

from analytics.models import RequestRecord
from ibex.tenancy import tenant
from proxy.store import RECORD
from proxy.turns import CallRecord
from sessions.models import Session, Turn
from tests.conftest import World
from tests.sessions.test_record_calls import call_of

Connections = tuple[psycopg.Connection, psycopg.Connection]


@pytest.fixture
def two(database_url: str) -> Iterator[Connections]:
    """The recorder's connection, and the one that it replays on."""
    with psycopg.connect(database_url) as first, psycopg.connect(database_url) as second:
        yield first, second


def values_of(*calls: CallRecord) -> list[Any]:
    items = orjson.dumps([call.columns(n) for n, call in enumerate(calls, start=1)]).decode()
    bodies = [call.request for call in calls], [call.completion for call in calls]
    return [items, *bodies, timedelta(minutes=30)]


def wait_until_blocked(blocked: psycopg.Connection, by: psycopg.Connection) -> None:
    deadline = time.monotonic() + 10
    asked = "SELECT pg_blocking_pids(%s)"
    while by.info.backend_pid not in by.execute(asked, [blocked.info.backend_pid]).fetchone()[0]:  # type: ignore[index]
        assert time.monotonic() < deadline, "the second call does not wait for the first"
        time.sleep(0.01)


def record_over(two: Connections, known: list[CallRecord], replayed: list[CallRecord]) -> None:
    """Record `known`, and `replayed` before that is committed."""
    first, second = two
    first.execute(RECORD, values_of(*known))
    with ThreadPoolExecutor(1) as threads:
        replay = threads.submit(second.execute, RECORD, values_of(*replayed))
        wait_until_blocked(second, first)
        first.commit()
        replay.result(timeout=10)
    second.commit()


def record(two: Connections, *calls: CallRecord) -> None:
    two[0].execute(RECORD, values_of(*calls))
    two[0].commit()


def test_turns_recorded_twice_at_once_count_once(committed_world: World, two: Connections) -> None:
    scout = committed_world.scout
    record(two, call_of(scout, "old"))
    group = [call_of(scout, "new"), call_of(scout, "old"), call_of(scout, "old", subject="ada")]
    record_over(two, group, [*group, call_of(scout, "old")])
    record(two, call_of(scout, "new"))
    with tenant(scout.org_id):
        sessions = Session.objects.filter(agent=scout).order_by("external_id", "subject")
        counted = [(s.turn_count, s.tokens_in, s.tokens_out) for s in sessions]
        turns = Turn.objects.filter(agent=scout).order_by(
            "session__external_id", "session__subject", "index"
        )
        places = list(turns.values_list("session__external_id", "subject", "index"))
        recorded = RequestRecord.objects.filter(agent_id=scout.pk).count()
    assert counted == [(2, 20, 2), (1, 10, 1), (3, 30, 3)]
    assert places == [
        ("new", None, 0),
        ("new", None, 1),
        ("old", "ada", 0),
        ("old", None, 0),
        ("old", None, 1),
        ("old", None, 2),
    ]
    assert recorded == len(places)


def test_a_failed_call_recorded_twice_at_once_counts_once(
    committed_world: World, two: Connections
) -> None:
    scout = committed_world.scout
    record(two, call_of(scout, "one"))
    failed = call_of(scout, "one", failed=True)
    with tenant(scout.org_id):
        failed.session_id = Session.objects.get(agent=scout).pk
    record_over(two, [failed], [failed, call_of(scout, "one")])
    with tenant(scout.org_id):
        session = Session.objects.get(agent=scout)
        assert RequestRecord.objects.filter(agent_id=scout.pk, status=502).count() == 1
    assert (session.turn_count, session.error_count) == (2, 1)
