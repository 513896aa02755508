"""A token is replaced by one with the same rights, and works for a grace alone."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from ibex.tenancy import tenant
from orgs.authentication import find_credential
from orgs.errors import PermissionElevation, TokenEnded, TokenRotated
from orgs.models import AuditEvent, Token
from orgs.permissions import ADMIN, ALL, CHAT, Permission
from orgs.rotation import SPANS, Grace, rotate_token
from orgs.services import revoke_token
from tests.conftest import TESTS, World


def rotate(token: Token, grace: str = Grace.DAY, **options: Any) -> tuple[Token, str]:
    return rotate_token(token=token, grace=grace, **{"actor": TESTS, "held": ALL, **options})


def opens(text: str) -> bool:
    found = find_credential(text)
    return found is not None and found.is_valid


def stored(world: World, token: Token) -> Token:
    with tenant(world.acme):
        return Token.objects.select_related("replaced_by").get(pk=token.pk)


def test_the_new_token_has_all_the_old_one_had_but_its_secret(world: World) -> None:
    expires_at = timezone.now() + timedelta(days=90)
    text = world.token(
        permissions=CHAT, agent=world.scout, expires_at=expires_at, allowed_ips=["192.0.2.0/24"]
    )
    old = world.token_row(text)
    new, secret = rotate(old)
    assert secret != text
    for name in ("name", "permissions", "agent_id", "expires_at", "allowed_ips"):
        assert getattr(new, name) == getattr(old, name), name
    assert (opens(text), opens(secret)) == (True, True)
    assert new.replaces_id == old.pk
    assert stored(world, old).successor == new


@pytest.mark.parametrize("grace", [Grace.HOUR, Grace.DAY, Grace.WEEK])
def test_the_old_one_works_for_the_grace(world: World, grace: Grace) -> None:
    old = world.token_row(world.token())
    before = timezone.now()
    rotate(old, grace)
    expires_at = stored(world, old).expires_at
    assert expires_at is not None
    assert before + SPANS[grace] <= expires_at <= timezone.now() + SPANS[grace]


def test_the_old_one_never_outlives_its_own_expiry(world: World) -> None:
    soon = timezone.now() + timedelta(hours=2)
    old = world.token_row(world.token(expires_at=soon))
    rotate(old, Grace.WEEK)
    assert stored(world, old).expires_at == soon
    late = world.token_row(world.token(expires_at=soon))
    rotate(late, Grace.HOUR)
    assert stored(world, late).expires_at < soon


def test_when_the_grace_is_over_the_old_one_opens_nothing(world: World) -> None:
    text = world.token()
    old = world.token_row(text)
    _new, secret = rotate(old, Grace.HOUR)
    with tenant(world.acme):  # an hour later
        over = stored(world, old).expires_at - timedelta(hours=1)
        Token.objects.filter(pk=old.pk).update(expires_at=over)
    assert (opens(text), opens(secret)) == (False, True)


def test_at_once_is_revoked(world: World) -> None:
    text = world.token()
    _new, secret = rotate(world.token_row(text), Grace.NOW)
    assert (opens(text), opens(secret)) == (False, True)
    assert world.token_row(text).state == "revoked"


def test_nobody_rotates_what_they_do_not_hold(world: World) -> None:
    old = world.token_row(world.token(permissions=Permission.ERASE))
    with pytest.raises(PermissionElevation, match="ERASE"):
        rotate(old, held=ADMIN)
    assert stored(world, old).successor is None
    assert rotate(old, held=ALL)[0].permissions == Permission.ERASE


def test_a_token_is_rotated_once_and_its_successor_after_it(world: World) -> None:
    old = world.token_row(world.token())
    new, _secret = rotate(old)
    with pytest.raises(TokenRotated, match=str(new.pk)):
        rotate(old)
    assert rotate(new)[0].replaces_id == new.pk
    with tenant(world.acme):
        assert Token.objects.count() == 3


@pytest.mark.parametrize("state", ["revoked", "expired"])
def test_what_has_ended_is_not_rotated(world: World, state: str) -> None:
    if state == "revoked":
        row = world.token_row(world.token())
        revoke_token(token=row, actor=TESTS)
    else:
        row = world.token_row(world.expired_token())
    with pytest.raises(TokenEnded, match=state):
        rotate(row)
    with tenant(world.acme):
        assert Token.objects.count() == 1


def test_both_ends_are_in_the_audit_without_the_secret(world: World) -> None:
    old = world.token_row(world.token())
    new, secret = rotate(old, Grace.HOUR, reason="A year old")
    with tenant(world.acme):
        ended = AuditEvent.objects.get(action="token.rotate")
        made = AuditEvent.objects.get(action="token.create", target_id=new.pk)
    assert (ended.target_id, ended.reason) == (old.pk, "A year old")
    assert ended.after["replaced_by"] == str(new.pk)
    assert ended.after["expires_at"] == stored(world, old).expires_at.isoformat()
    assert (made.after["replaces"], made.reason) == (str(old.pk), "A year old")
    assert secret.split("_", 3)[3] not in f"{ended.after}{made.after}"
