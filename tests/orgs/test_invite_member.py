"""An invitation's link works once, for its person, for seven days."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.core import mail
from django.core.exceptions import ValidationError
from django.db import connections
from django.utils import timezone

from ibex.tenancy import tenant
from orgs import invitations as inviting
from orgs.errors import (
    AlreadyInvited,
    AlreadyMember,
    InvitationClosed,
    InvitationForAnother,
    RoleOutOfReach,
)
from orgs.models import AuditEvent, Invitation, Membership, Operator
from orgs.permissions import ADMIN, ALL
from tests.conftest import PASSWORD, TESTS, World


def invite(world: World, email: str = "New@Example.com", **options: Any) -> tuple[Invitation, str]:
    given = {"role": "member", "held": ALL, **options}
    return inviting.invite(org=world.acme, email=email, actor=TESTS, **given)


def join(secret: str) -> None:
    inviting.accept_as_newcomer(secret=secret, name="Newcomer", password=PASSWORD)


def roles(world: World, email: str) -> list[str]:
    with tenant(world.acme):
        found = Membership.objects.filter(operator__email=email)
        return list(found.values_list("role", flat=True))


def test_a_newcomer_joins_with_a_name_and_a_password(world: World) -> None:
    invitation, secret = invite(world)
    join(secret)
    assert roles(world, "new@example.com") == ["member"]
    assert Operator.objects.get(email="new@example.com").check_password(PASSWORD)
    with tenant(world.acme):
        actions = AuditEvent.objects.filter(target_id=invitation.pk).order_by("at")
        assert [event.action for event in actions] == ["invitation.create", "invitation.accept"]
        assert secret not in str([(event.before, event.after) for event in actions])
        assert secret.encode() not in bytes(Invitation.objects.get(pk=invitation.pk).digest)


def test_a_link_works_once(world: World) -> None:
    _invitation, secret = invite(world)
    join(secret)
    with pytest.raises(InvitationClosed):
        join(secret)


def test_an_operator_joins_with_their_account(world: World) -> None:
    _invitation, secret = invite(world, world.mallory.email)
    with pytest.raises(InvitationForAnother):
        inviting.accept_as_operator(secret=secret, operator=world.alice, actor=TESTS)
    with pytest.raises(InvitationForAnother):  # who has an account signs in
        join(secret)
    inviting.accept_as_operator(secret=secret, operator=world.mallory, actor=TESTS)
    assert roles(world, world.mallory.email) == ["member"]


@pytest.mark.parametrize("how", ["expired", "withdrawn", "renewed", "suspended org", "nonsense"])
def test_a_link_that_is_no_longer_valid(world: World, how: str) -> None:
    invitation, secret = invite(world)
    with tenant(world.acme):
        if how == "expired":
            Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        if how == "suspended org":
            type(world.acme).objects.filter(pk=world.acme.pk).update(status="suspended")
    if how == "withdrawn":
        inviting.withdraw_invitation(invitation=invitation, actor=TESTS)
    if how == "renewed":
        inviting.renew_invitation(invitation=invitation, actor=TESTS, held=ALL)
    with pytest.raises(InvitationClosed):
        inviting.find_invitation("nonsense" if how == "nonsense" else secret)
    assert roles(world, "new@example.com") == []


def test_a_new_link_revives_an_expired_invitation(world: World) -> None:
    invitation, _old = invite(world)
    with tenant(world.acme):
        Invitation.objects.update(expires_at=timezone.now() - timedelta(days=1))
    _row, secret = inviting.renew_invitation(invitation=invitation, actor=TESTS, held=ALL)
    join(secret)
    assert roles(world, "new@example.com") == ["member"]


def test_a_weak_password_makes_no_account(world: World) -> None:
    _invitation, secret = invite(world)
    for weak in ("short", "password1234", "new@example.com"):
        with pytest.raises(ValidationError):
            inviting.accept_as_newcomer(secret=secret, name="N", password=weak)
    assert not Operator.objects.filter(email="new@example.com").exists()
    join(secret)


def test_an_address_is_invited_once_and_no_member_is(world: World) -> None:
    invite(world)
    with pytest.raises(AlreadyInvited):
        invite(world, "new@example.com")
    with pytest.raises(AlreadyMember):
        invite(world, world.alice.email)
    with pytest.raises(ValidationError):
        invite(world, "no address")


def test_an_admin_invites_no_owner(world: World) -> None:
    with pytest.raises(RoleOutOfReach):
        invite(world, role="owner", held=ADMIN)
    invitation, _secret = invite(world, role="owner")
    with pytest.raises(RoleOutOfReach):
        inviting.renew_invitation(invitation=invitation, actor=TESTS, held=ADMIN)


def test_two_who_open_the_link_at_once_are_one_member(committed_world: World) -> None:
    email = f"{committed_world.acme.slug}@example.com"
    _invitation, secret = invite(committed_world, email)
    begin = Barrier(2)

    def open_link(_number: int) -> str:
        begin.wait()
        try:
            join(secret)
        except Exception as error:  # noqa: BLE001 - whichever way the second is refused
            return type(error).__name__
        finally:
            connections.close_all()
        return "joined"

    with ThreadPoolExecutor(2) as pool:
        ended = sorted(pool.map(open_link, range(2)))
    assert ended[-1] == "joined"
    assert ended[0] == "InvitationClosed"
    assert roles(committed_world, email) == ["member"]


def test_the_mail_carries_the_link_and_a_server_that_fails_is_told(
    world: World, settings: Any
) -> None:
    settings.SENDS_MAIL = True
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    invitation, secret = invite(world)
    link = f"https://console.example/invitations/{secret}/"
    said = {"invitation": invitation, "org_name": "Acme\nBcc: x", "inviter": "A", "link": link}
    assert inviting.send_invitation(**said)
    (sent,) = mail.outbox
    assert (sent.to, link in sent.body) == (["new@example.com"], True)
    assert "\n" not in sent.subject
    with tenant(world.acme):
        assert Invitation.objects.get(pk=invitation.pk).sent_at is not None
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    assert not inviting.send_invitation(**said)
    settings.SENDS_MAIL = False
    assert not inviting.send_invitation(**said)
