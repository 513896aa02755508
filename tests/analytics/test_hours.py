"""Calls hour by hour: counted by the worker once an hour is over, and exact at any moment."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction
from django.db.utils import ProgrammingError
from django.utils import timezone

from agents.models import Agent
from agents.services import create_agent
from analytics.hours import HOUR, Calls, calls_since, hour_of
from analytics.models import HourOfCalls
from analytics.tasks import count_hours
from ibex.tenancy import tenant
from tests.api.rows import make_call
from tests.conftest import TESTS, World

DAYS = timedelta(days=3)


@pytest.fixture
def since() -> datetime:
    return hour_of(timezone.now()) - DAYS


@pytest.fixture
def ranger(world: World) -> Agent:
    return create_agent(
        org=world.acme, name="Ranger", slug="ranger", memory_scope="agent", actor=TESTS
    )


def read(agent: Agent, since: datetime, *, one: bool = False) -> list[Calls]:
    with tenant(agent.org_id):
        found = calls_since(agent.org_id, since, agent.pk if one else None)
    return sorted(found, key=lambda calls: calls.hour)


def stored(agent: Agent) -> int:
    with tenant(agent.org_id):
        return HourOfCalls.objects.count()


def test_what_was_counted_is_what_would_be_counted(
    world: World, ranger: Agent, since: datetime
) -> None:
    first, second = since + timedelta(minutes=59, seconds=59), since + 30 * HOUR
    make_call(world.scout, created_at=first, tokens_in=7, tokens_out=2, tokens_cached=1)
    make_call(world.scout, created_at=since, status=502, memories_injected=3, context_tokens=40)
    make_call(world.scout, created_at=second, status=400)
    make_call(ranger, created_at=second, status=399, tokens_in=5)
    make_call(world.scout, tokens_in=1)
    make_call(world.spy, created_at=second)
    make_call(world.scout, created_at=since - timedelta(microseconds=1))
    before = read(ranger, since), read(world.scout, since, one=True)
    assert [(one.hour - since, one.requests, one.failed) for one in before[0]] == [
        (0 * HOUR, 2, 1),
        (30 * HOUR, 2, 1),
        (DAYS, 1, 0),
    ]
    assert before[0][0] == Calls(since, 2, 1, 7, 2, 1, 3, 40, first)
    assert [one.requests for one in before[1]] == [2, 1, 1]

    count_hours.run()
    assert (read(ranger, since), read(world.scout, since, one=True)) == before
    assert (stored(world.scout), stored(world.spy)) == (7, 2)
    assert [one.requests for one in read(world.spy, since)] == [1]

    make_call(ranger)
    assert read(ranger, since)[-1].requests == 2, "the hour that runs is read from its calls"
    count_hours.run()
    assert (stored(world.scout), stored(world.spy)) == (7, 2)


def test_a_call_that_comes_late_is_added(world: World, since: datetime) -> None:
    make_call(world.scout, created_at=since, tokens_in=1)
    make_call(world.spy, created_at=since)
    count_hours.run()
    make_call(world.scout, created_at=since + HOUR / 2, tokens_in=10)
    make_call(world.scout, created_at=since + HOUR, tokens_in=100)
    assert [one.tokens_in for one in read(world.scout, since)] == [1]
    count_hours.run()
    assert [one.tokens_in for one in read(world.scout, since)] == [11, 100]
    assert [one.tokens_in for one in read(world.scout, since, one=True)] == [11, 100]
    assert [one.requests for one in read(world.spy, since)] == [1]


def test_nothing_is_counted_while_another_counts(
    world: World, since: datetime, database_url: str
) -> None:
    make_call(world.scout, created_at=since)
    name = "hashtextextended('ibex.count_hours', 0)"
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute(f"SELECT pg_advisory_lock({name})")
        count_hours.run()
        assert stored(world.scout) == 0
        other.execute(f"SELECT pg_advisory_unlock({name})")
    count_hours.run()
    assert stored(world.scout) == 2


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM analytics_hourofcalls",
        "UPDATE analytics_hourofcalls SET requests = 0",
        "UPDATE analytics_hourscounted SET through = NULL",
        "DELETE FROM analytics_latehour",
    ],
)
def test_only_the_count_writes(world: World, since: datetime, statement: str) -> None:
    with (
        tenant(world.acme),
        connection.cursor() as cursor,
        pytest.raises(ProgrammingError, match="permission denied"),
        transaction.atomic(),
    ):
        cursor.execute(statement)


def test_a_long_span_takes_two_queries(
    world: World, since: datetime, django_assert_num_queries: Callable[[int], Any]
) -> None:
    for hours in range(4):
        make_call(world.scout, created_at=since + hours * HOUR)
    count_hours.run()
    with tenant(world.acme), django_assert_num_queries(2):
        assert len(calls_since(world.acme.pk, since)) == 4
