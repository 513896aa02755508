"""An admin sees where members are signed in, and signs one out everywhere."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from ibex.tenancy import tenant
from orgs.models import AuditEvent, Membership, Operator
from tests.conftest import SignIn, World
from tests.console.test_members import lock_out
from tests.identity.doors import is_signed_in

PATH = "/settings/members/"
BUTTON = re.compile(
    r'<button class="button danger" type="submit"([^>]*)>(?:(?!</button>).)*Sign out'
)


def membership(world: World, operator: Operator) -> Membership:
    with tenant(world.acme):
        return Membership.objects.get(operator=operator)


def door(world: World, operator: Operator) -> str:
    return f"{PATH}{membership(world, operator).pk}/"


def browser_of(operator: Operator) -> Client:
    client = Client()
    client.force_login(operator)
    client.get("/settings/me/")
    return client


def signed_out(world: World) -> list[AuditEvent]:
    with tenant(world.acme):
        return list(AuditEvent.objects.filter(action="membership.sign_out"))


def button(page: Any) -> str:
    (said,) = BUTTON.findall(page.content.decode())
    return str(said)


def row_of(page: Any, operator: Operator, world: World) -> str:
    mark = f'id="member-{membership(world, operator).pk}"'
    return str(page.content.decode().split(mark)[1].split("</tr>")[0])


def test_a_member_is_signed_out_everywhere_and_may_sign_in_again(
    world: World, sign_in: SignIn
) -> None:
    member, other = world.member("member"), world.member("member")
    browsers, bystander = [browser_of(member) for _ in range(2)], browser_of(other)
    admin = sign_in(world.member("admin"))
    address = door(world, member)
    assert "in 2 browsers" in admin.get(address).content.decode()
    assert "disabled" not in button(admin.get(address))
    answer = admin.post(f"{address}sign-out/", follow=True)
    assert b"is signed out everywhere" in answer.content
    assert [is_signed_in(one) for one in browsers] == [False, False]
    assert (is_signed_in(bystander), is_signed_in(admin)) == (True, True)
    (event,) = signed_out(world)
    assert (event.after, event.target_id) == ({"browsers": 2}, membership(world, member).pk)
    assert is_signed_in(browser_of(member))


def test_where_nobody_is_signed_in_nothing_happens(world: World, sign_in: SignIn) -> None:
    member, client = world.member("viewer"), sign_in(world.alice)
    address = door(world, member)
    assert 'title="They are signed in nowhere."' in button(client.get(address))
    for _ in range(2):
        assert client.post(f"{address}sign-out/")["Location"] == PATH
    assert signed_out(world) == []


def test_an_admin_signs_no_owner_out(world: World, sign_in: SignIn) -> None:
    owner = browser_of(world.alice)
    admin, address = sign_in(world.member("admin")), door(world, world.alice)
    assert 'title="Your role, admin, does not reach an owner."' in button(admin.get(address))
    answer = admin.post(f"{address}sign-out/", follow=True)
    assert b"You do not hold all that owner may do" in answer.content
    assert is_signed_in(owner)
    assert signed_out(world) == []


def test_nobody_signs_themselves_out_here(world: World, sign_in: SignIn) -> None:
    client = browser_of(world.alice)
    address = door(world, world.alice)
    assert "signed out on your own page" in button(client.get(address))
    answer = client.post(f"{address}sign-out/", follow=True)
    assert b"signed out on your own page" in answer.content
    assert is_signed_in(client)


@pytest.mark.parametrize("role", ["member", "viewer"])
def test_who_manages_no_members_signs_nobody_out(world: World, sign_in: SignIn, role: str) -> None:
    other = world.member("viewer")
    theirs = browser_of(other)
    assert sign_in(world.member(role)).post(f"{door(world, other)}sign-out/").status_code == 403
    assert is_signed_in(theirs)


def test_another_orgs_member_is_missing(world: World, sign_in: SignIn) -> None:
    member = world.member("viewer")
    theirs, address = browser_of(member), f"{door(world, member)}sign-out/"
    assert sign_in(world.mallory).post(address).status_code == 404
    assert is_signed_in(theirs)
    assert sign_in(world.alice).post(address).status_code == 302
    assert not is_signed_in(theirs)


def test_the_list_says_where_members_are_signed_in_and_who_is_locked_out(
    world: World, sign_in: SignIn
) -> None:
    there, gone, client = world.member("viewer"), world.member("viewer"), sign_in(world.alice)
    for _ in range(2):
        browser_of(there)
    over = browser_of(gone).session.session_key
    past = timezone.now() - timedelta(seconds=1)
    Session.objects.filter(session_key=over).update(expire_date=past)
    lock_out(gone.email)
    page = client.get(PATH)
    assert 'data-label="Browsers">2</td>' in row_of(page, there, world)
    assert "locked out" not in row_of(page, there, world)
    assert 'data-label="Browsers"><span class="quiet">none' in row_of(page, gone, world)
    assert "locked out" in row_of(page, gone, world)
