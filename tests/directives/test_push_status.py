"""A push: which proxy runs which version, since when, as it said itself."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from control.models import SILENT_AFTER, Event, Proxy
from directives.models import DirectiveVersion
from directives.pushes import PushStatus, fingerprints, push_status, synced
from directives.services import push_directive
from ibex.ids import uuid7
from ibex.tenancy import tenant
from tests.conftest import TESTS, World

Connect = Callable[..., Proxy]


def connect_proxy(name: str, revision: int, **fields: Any) -> Proxy:
    """Let a proxy connect, as the control channel notes it."""
    now = timezone.now()
    times = {"connected_at": now, "acknowledged_at": now, "seen_at": now} | fields
    return Proxy.objects.create(
        id=uuid7(), name=name, revision=revision, connected_revision=revision, **times
    )


@pytest.fixture
def connect() -> Connect:
    return connect_proxy


def push(world: World, content: str) -> tuple[DirectiveVersion, int]:
    """Push; return the version and the revision that the change got at its commit."""
    version = push_directive(agent=world.scout, content=content, actor=TESTS)
    with tenant(world.acme), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        return version, Event.objects.get(version_id=version.pk).rev


def acknowledge(proxy: Proxy, revision: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT ibex_control_acknowledge(%s, %s)", [proxy.pk, revision])


def status(world: World, version: DirectiveVersion) -> PushStatus:
    with tenant(world.acme):
        row = DirectiveVersion.objects.select_related("directive").get(pk=version.pk)
        return push_status(world.scout, row)


def states(world: World, version: DirectiveVersion) -> dict[str, str]:
    return {row.name: row.state for row in status(world, version).proxies}


def test_a_proxy_is_pending_until_it_says_that_it_runs_the_version(
    world: World, connect: Connect
) -> None:
    first, rev = push(world, "Be kind.")
    east, west = connect("proxy-east", rev), connect("proxy-west", rev)
    assert states(world, first) == {"proxy-east": "runs", "proxy-west": "runs"}
    second, rev = push(world, "Be brief.")
    assert states(world, second) == {"proxy-east": "pending", "proxy-west": "pending"}
    acknowledge(east, rev)
    found = status(world, second)
    said, waits = found.proxies
    assert (said.state, waits.state, waits.still_runs) == ("acknowledged", "pending", 1)
    assert said.took_ms is not None
    assert 0 <= said.took_ms < 60_000
    assert (found.in_sync, len(found.connected), found.is_settled) == (1, 2, False)
    acknowledge(west, rev)
    found = status(world, second)
    assert (found.in_sync, found.is_settled) == (2, True)
    assert not status(world, first).is_active


def test_a_proxy_that_connects_later_runs_it_from_the_start(world: World, connect: Connect) -> None:
    version, rev = push(world, "Be kind.")
    connect("proxy-late", rev)
    (row,) = status(world, version).proxies
    assert (row.state, row.took_ms) == ("runs", None)


def test_a_proxy_that_left_counts_no_more(world: World, connect: Connect) -> None:
    now = timezone.now()
    version, rev = push(world, "Be kind.")
    gone = connect("proxy-gone", rev - 1)
    acknowledge(gone, rev)
    Proxy.objects.filter(pk=gone.pk).update(left_at=now)
    connect("proxy-stranger", rev - 1, left_at=now)
    connect("proxy-here", rev)
    found = status(world, version)
    assert {row.name: row.state for row in found.proxies} == {
        "proxy-gone": "left",
        "proxy-here": "runs",
    }
    assert (found.in_sync, len(found.connected)) == (1, 1)
    assert found.proxies[0].since == now


def test_a_proxy_that_left_before_it_acknowledged_is_away_since(
    world: World, connect: Connect
) -> None:
    version, rev = push(world, "Be kind.")
    connect("proxy-lost", rev - 1, left_at=(left := timezone.now() + timedelta(seconds=1)))
    (row,) = status(world, version).proxies
    assert (row.state, row.since, row.took_ms) == ("left", left, None)


def test_of_a_proxy_that_left_long_ago_its_acknowledgement_is_kept(
    world: World, connect: Connect
) -> None:
    version, rev = push(world, "Be kind.")
    acknowledge(proxy := connect("proxy-old", rev - 1), rev)
    proxy.delete()
    (row,) = status(world, version).proxies
    assert (row.state, row.since) == ("left", None)
    assert row.took_ms is not None


def test_a_proxy_that_is_not_heard_of_is_called_silent(world: World, connect: Connect) -> None:
    """Its last word was that it runs the version; whether it still does nobody knows."""
    version, rev = push(world, "Be kind.")
    heard = timezone.now() - SILENT_AFTER - timedelta(seconds=1)
    mute = connect("proxy-mute", rev, seen_at=heard)
    connect("proxy-here", rev, seen_at=timezone.now() - SILENT_AFTER + timedelta(seconds=3))
    found = status(world, version)
    assert {row.name: row.state for row in found.proxies} == {
        "proxy-here": "runs",
        "proxy-mute": "silent",
    }
    (silent,) = found.silent
    assert (silent.name, silent.since) == ("proxy-mute", heard)
    assert (found.in_sync, [row.name for row in found.connected]) == (1, ["proxy-here"])
    assert not found.is_settled
    with tenant(world.acme):
        assert synced([version]) == {version.pk: (1, 1)}
    Proxy.objects.filter(pk=mute.pk).update(seen_at=timezone.now())
    found = status(world, version)
    assert (found.in_sync, len(found.connected), found.silent) == (2, 2, [])
    assert found.is_settled


def test_the_list_counts_the_proxies_in_sync(world: World, connect: Connect) -> None:
    version, rev = push(world, "Be kind.")
    connect("proxy-east", rev)
    connect("proxy-west", rev - 1)
    connect("proxy-gone", rev, left_at=timezone.now())
    with tenant(world.acme):
        assert synced([version]) == {version.pk: (1, 2)}


def test_a_page_sees_a_push_arrive(world: World, connect: Connect) -> None:
    version, rev = push(world, "Be kind.")
    proxy = connect("proxy-east", rev - 1)
    with tenant(world.acme):
        before = fingerprints([version.pk])
    acknowledge(proxy, rev)
    with tenant(world.acme):
        assert fingerprints([version.pk]) != before
    with tenant(world.elsewhere):
        assert fingerprints([version.pk]) == {}
