"""Every change that proxies must know is noted, in the order of commits, without a gap."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from django.db import connection, connections, transaction

from agents.models import Agent
from agents.services import create_agent, pause_agent
from control.models import Event
from directives.models import Directive
from directives.services import push_directive
from ibex.tenancy import tenant
from orgs.models import Organization, Token
from orgs.permissions import ALL
from orgs.rotation import rotate_token
from orgs.services import revoke_token
from tests.conftest import TESTS, World

NOBODY = "00000000-0000-0000-0000-000000000000"


def revision() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT rev FROM control_clock")
        row = cursor.fetchone()
    assert row is not None
    return int(row[0])


def since(rev: int) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM ibex_control_since(%s, 1000)", [rev])
        return cursor.fetchall()


def make_agent(world: World, slug: str) -> Agent:
    return create_agent(
        org=world.acme, name=slug, slug=slug, memory_scope=Agent.MemoryScope.AGENT, actor=TESTS
    )


def test_each_kind_of_change_is_noted_with_its_target(committed_world: World) -> None:
    world = committed_world
    token = world.token_row(world.token())
    start = revision()
    pause_agent(agent=world.scout, actor=TESTS)
    revoke_token(token=token, actor=TESTS)
    version = push_directive(agent=world.scout, content="Be brief.", actor=TESTS)
    with tenant(world.acme):
        Organization.objects.filter(pk=world.acme.pk).update(status="suspended")
    with tenant(world.acme):
        noted = Event.objects.filter(rev__gt=start)
        assert [e.version_id for e in noted] == [None, None, version.pk, None]
    assert [(kind, target) for _rev, _org, kind, target in since(start)] == [
        ("agent", world.scout.pk),
        ("token", token.pk),
        ("directive", world.scout.pk),
        ("organization", world.acme.pk),
    ]
    assert {org for _rev, org, *_ in since(start)} == {world.acme.pk}


def test_a_token_that_is_rotated_is_noted_once(committed_world: World) -> None:
    """What a proxy kept of the old one, its expiry above all, is read anew."""
    for grace in ("1h", "now"):
        token = committed_world.token_row(committed_world.token())
        start = revision()
        rotate_token(token=token, grace=grace, actor=TESTS, held=ALL)
        assert [(kind, target) for _rev, _org, kind, target in since(start)] == [
            ("token", token.pk)
        ]


def test_what_changes_nothing_for_a_proxy_is_not_noted(committed_world: World) -> None:
    token = committed_world.token_row(committed_world.token())
    start = revision()
    with tenant(committed_world.acme):
        Token.objects.filter(pk=token.pk).update(name="Renamed", last_used_at=token.created_at)
    make_agent(committed_world, "b")
    assert since(start) == []
    with tenant(committed_world.acme):
        Token.objects.filter(pk=token.pk).update(permissions=0)
    assert len(since(start)) == 1


def test_what_is_rolled_back_is_not_noted(committed_world: World) -> None:
    start = revision()
    with pytest.raises(RuntimeError), transaction.atomic():
        pause_agent(agent=committed_world.scout, actor=TESTS)
        raise RuntimeError
    assert since(start) == []
    assert revision() == start


def test_what_is_deleted_is_noted_without_its_organization(committed_world: World) -> None:
    agent = make_agent(committed_world, "b")
    start = revision()
    with tenant(committed_world.acme):
        Agent.objects.filter(pk=agent.pk).delete()
    assert [(str(org), kind, target) for _rev, org, kind, target in since(start)] == [
        (NOBODY, "agent", agent.pk)
    ]


def test_writers_at_once_leave_no_gap(committed_world: World) -> None:
    """Commit order is revision order: whoever reads revision n can read all before it."""
    agents = [make_agent(committed_world, f"a{n}") for n in range(4)]
    start = revision()

    def rename(agent: Agent) -> None:
        try:
            for n in range(15):
                with tenant(agent.org_id):
                    Agent.objects.filter(pk=agent.pk).update(name=f"Name {n}")
                found = [rev for rev, *_ in since(start)]
                assert found == list(range(start + 1, start + 1 + len(found)))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(rename, agents))
    assert [rev for rev, *_ in since(start)] == list(range(start + 1, start + 61))


def test_mallory_sees_no_change_of_acme(committed_world: World) -> None:
    start = revision()
    push_directive(agent=committed_world.scout, content="Be brief.", actor=TESTS)
    with tenant(committed_world.acme):
        assert Event.objects.filter(rev__gt=start).count() == 1
        assert Directive.objects.count() == 1
    with tenant(committed_world.elsewhere):
        assert not Event.objects.filter(rev__gt=start).exists()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE control_clock SET rev = 1",
        "DELETE FROM control_clock",
        "DELETE FROM control_event",
        "UPDATE control_acknowledgement SET revision = 1",
        "INSERT INTO control_event SELECT rev + 1, org_id FROM control_event",
    ],
)
def test_the_runtime_role_cannot_turn_the_clock(
    committed_world: World, database_url: str, statement: str
) -> None:
    assert since(0) is not None
    with (
        psycopg.connect(database_url) as raw,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        raw.execute(statement.encode())


def test_old_changes_are_purged_and_the_clock_stays(committed_world: World) -> None:
    pause_agent(agent=committed_world.scout, actor=TESTS)
    start = revision()
    with connection.cursor() as cursor:
        cursor.execute("SELECT ibex_control_purge(interval '1 day')")
        assert cursor.fetchone() == (0,)
        cursor.execute("SELECT ibex_control_purge(interval '0')")
        row = cursor.fetchone()
        assert row is not None
        assert row[0] >= 1
    assert since(0) == []
    assert revision() == start
