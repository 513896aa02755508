"""Who is in an organization: roles within reach, and never without an owner."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connections

from ibex.tenancy import tenant
from orgs import members
from orgs.audit import Actor
from orgs.errors import LastOwner, MemberGone, OwnSuspension, RoleOutOfReach
from orgs.models import AuditEvent, Membership, Operator
from orgs.permissions import ADMIN, ALL, MEMBER, Permission
from tests.api.rows import make_member
from tests.conftest import TESTS, World

Change = Callable[..., Any]
DEMOTE: Change = lambda **given: members.change_role(role="viewer", **given)  # noqa: E731
LOSSES = [DEMOTE, members.suspend_member, members.remove_member]


def membership(world: World, operator: Operator) -> Membership:
    with tenant(world.acme):
        return Membership.objects.get(operator=operator)


def acting(operator: Operator) -> Actor:
    return Actor(AuditEvent.Actor.OPERATOR, operator.pk, operator.email, "192.0.2.7", "r-1")


@pytest.mark.parametrize("lose", LOSSES)
def test_the_last_owner_stays(world: World, lose: Change) -> None:
    owner = membership(world, world.alice)
    with pytest.raises(LastOwner):
        lose(membership=owner, actor=TESTS)
    second = make_member(world.scout, role="owner")
    lose(membership=owner, actor=TESTS)
    with pytest.raises(LastOwner):
        lose(membership=second, actor=TESTS)


def test_a_suspended_owner_does_not_count(world: World) -> None:
    second = make_member(world.scout, role="owner")
    members.suspend_member(membership=second, actor=TESTS)
    with pytest.raises(LastOwner):
        DEMOTE(membership=membership(world, world.alice), actor=TESTS)
    members.remove_member(membership=second, actor=TESTS)


@pytest.mark.parametrize("lose", LOSSES)
def test_of_two_owners_who_go_at_once_one_stays(committed_world: World, lose: Change) -> None:
    world = committed_world
    both = [membership(world, world.alice), make_member(world.scout, role="owner")]
    begin = Barrier(2)

    def leave(row: Membership) -> str:
        begin.wait()
        try:
            lose(membership=row, actor=TESTS)
        except LastOwner:
            return "refused"
        finally:
            connections.close_all()
        return "gone"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(leave, both)) == ["gone", "refused"]
    with tenant(world.acme):
        assert Membership.objects.filter(role="owner", suspended_at=None).count() == 1


@pytest.mark.parametrize("lose", LOSSES)
def test_an_admin_does_not_unmake_an_owner(world: World, lose: Change) -> None:
    make_member(world.scout, role="owner")
    with pytest.raises(RoleOutOfReach):
        lose(membership=membership(world, world.alice), actor=TESTS, held=ADMIN)
    assert membership(world, world.alice).role == "owner"


def test_an_admin_makes_no_owner_and_nobody_raises_themselves(world: World) -> None:
    admin = world.member("admin")
    row = membership(world, admin)
    for held in (ADMIN, MEMBER | Permission.USER_MANAGE):
        with pytest.raises(RoleOutOfReach):
            members.change_role(membership=row, role="owner", actor=acting(admin), held=held)
    other = make_member(world.scout)
    assert members.change_role(membership=other, role="admin", actor=TESTS, held=ADMIN).role


def test_who_is_removed_twice_is_gone(world: World) -> None:
    row = make_member(world.scout)
    members.remove_member(membership=row, actor=TESTS)
    with tenant(world.acme):
        again = Membership(pk=row.pk, org_id=world.acme.pk)
    with pytest.raises(MemberGone):
        members.remove_member(membership=again, actor=TESTS)


def test_nobody_suspends_themselves_but_may_leave(world: World) -> None:
    admin = world.member("admin")
    row = membership(world, admin)
    with pytest.raises(OwnSuspension):
        members.suspend_member(membership=row, actor=acting(admin), held=ADMIN)
    members.remove_member(membership=row, actor=acting(admin), held=ADMIN)
    with tenant(world.acme):
        assert not Membership.objects.filter(operator=admin).exists()


def test_every_change_leaves_its_mark_with_reason_and_request(world: World) -> None:
    row, actor = make_member(world.scout), acting(world.alice)
    members.change_role(membership=row, role="member", actor=actor, reason="Grew")
    members.change_role(membership=row, role="member", actor=actor, reason="Again")
    members.suspend_member(membership=row, actor=actor, reason="On leave")
    members.suspend_member(membership=row, actor=actor, reason="Again")
    members.unsuspend_member(membership=row, actor=actor, reason="Back")
    members.remove_member(membership=row, actor=actor, reason="Left")
    with tenant(world.acme):
        events = AuditEvent.objects.filter(target_id=row.pk, request_id="r-1").order_by("at")
        told = [(event.action.split(".")[1], event.reason) for event in events]
    assert told == [
        ("update", "Grew"),
        ("suspend", "On leave"),
        ("unsuspend", "Back"),
        ("remove", "Left"),
    ]


def test_roles_are_offered_as_far_as_they_reach() -> None:
    assert [role for role, _label in members.may_give(ALL)] == [
        *("owner", "admin", "member", "viewer")
    ]
    assert [role for role, _label in members.may_give(ADMIN)] == ["admin", "member", "viewer"]
