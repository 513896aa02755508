"""Telling proxies again: what was pushed stays as it was, and who is behind hears of it anew."""

import pytest
from django.db import connection

from agents.errors import AgentArchived
from agents.services import archive_agent
from control.models import Event
from directives.errors import PushArrived, PushReplaced
from directives.models import Directive, DirectiveVersion
from directives.pushes import synced
from directives.services import retry_push
from ibex.tenancy import tenant
from orgs.models import AuditEvent
from tests.conftest import TESTS, World
from tests.directives.test_push_status import acknowledge, connect_proxy, push, states, status


def retry(world: World, version: DirectiveVersion) -> tuple[int, Event]:
    """Tell again; return how many were behind, and the change that is noted at the commit."""
    with tenant(world.acme), connection.cursor() as cursor:
        behind = retry_push(agent=world.scout, version=version, actor=TESTS)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        event = Event.objects.latest("rev")
    return behind, event


def test_every_proxy_hears_of_the_directive_anew(world: World) -> None:
    version, rev = push(world, "Be kind.")
    connect_proxy("proxy-late", rev - 1)
    connect_proxy("proxy-here", rev)
    behind, event = retry(world, version)
    assert behind == 1
    assert event.rev > rev
    assert (event.kind, event.target_id) == ("directive", world.scout.pk)
    with tenant(world.acme):
        assert DirectiveVersion.objects.count() == 1
        assert Directive.objects.get().active_version_id == version.pk
        (audited,) = AuditEvent.objects.filter(action="directive.retry")
    assert audited.after == {"number": 1, "behind": 1}


def test_the_push_and_its_acknowledgements_stay_what_they_were(world: World) -> None:
    version, rev = push(world, "Be kind.")
    late, here = connect_proxy("proxy-late", rev - 1), connect_proxy("proxy-here", rev - 1)
    acknowledge(here, rev)
    before = status(world, version)
    _behind, event = retry(world, version)
    after = status(world, version)
    assert (after.revision, after.pushed_at) == (rev, before.pushed_at)
    assert states(world, version) == {"proxy-here": "acknowledged", "proxy-late": "pending"}
    acknowledge(late, event.rev)
    found = status(world, version)
    assert {row.name: row.state for row in found.proxies} == {
        "proxy-here": "acknowledged",
        "proxy-late": "acknowledged",
    }
    assert all(row.took_ms is not None for row in found.proxies)
    assert found.is_settled
    with tenant(world.acme):
        assert synced([version]) == {version.pk: (2, 2)}


def test_nobody_is_told_again_without_need(world: World) -> None:
    version, rev = push(world, "Be kind.")
    with pytest.raises(PushArrived):
        retry(world, version)  # nobody is connected
    proxy = connect_proxy("proxy-late", rev - 1)
    assert retry(world, version)[0] == 1
    acknowledge(proxy, rev)
    with pytest.raises(PushArrived):
        retry(world, version)
    with tenant(world.acme):
        assert AuditEvent.objects.filter(action="directive.retry").count() == 1


def test_the_active_version_alone_is_told_again(world: World) -> None:
    first, rev = push(world, "Be kind.")
    second, _rev = push(world, "Be brief.")
    connect_proxy("proxy-late", rev - 1)
    with pytest.raises(PushReplaced):
        retry(world, first)
    assert retry(world, second)[0] == 1
    archive_agent(agent=world.scout, actor=TESTS)
    with pytest.raises(AgentArchived):
        retry(world, second)
