"""Members, roles and tokens: who is let in, by whom, and that it is written down."""

import pytest
from django.conf import settings
from django.core.exceptions import ValidationError

from ibex.tenancy import tenant
from orgs.credentials import TOKEN_SHAPE, token_digest
from orgs.errors import LastOwner, PermissionElevation
from orgs.members import add_member, change_role
from orgs.models import AuditEvent, Membership, Operator, Token
from orgs.permissions import ADMIN, ALL, CHAT, MEMBER, ROLE_PERMISSIONS, VIEWER, Permission
from orgs.services import issue_token, revoke_token
from tests.conftest import PASSWORD, TESTS, World


def test_only_a_digest_of_a_token_is_kept(world: World) -> None:
    text = world.token()
    assert TOKEN_SHAPE.fullmatch(text)
    row = world.token_row(text)
    stored = " ".join(str(value) for value in vars(row).values())
    assert text not in stored
    assert text.split("_", 3)[3] not in stored
    assert bytes(row.digest) == token_digest(text, settings.TOKEN_KEY)


def test_nobody_grants_what_they_do_not_hold(world: World) -> None:
    issue_token(org=world.acme, name="Fine", permissions=CHAT, held=MEMBER, actor=TESTS)
    with pytest.raises(PermissionElevation, match="ERASE"):
        issue_token(org=world.acme, name="Too much", permissions=ALL, held=ADMIN, actor=TESTS)
    with tenant(world.acme):
        assert [token.name for token in Token.objects.all()] == ["Fine"]


def test_an_address_that_is_none_is_refused(world: World) -> None:
    with pytest.raises(ValidationError, match="neither an IP address nor a network"):
        world.token(allowed_ips=["everywhere"])


def test_revoking_twice_is_written_down_once(world: World) -> None:
    row = world.token_row(world.token())
    first = revoke_token(token=row, actor=TESTS, reason="lost")
    again = revoke_token(token=row, actor=TESTS)
    assert first.revoked_at == again.revoked_at is not None
    with tenant(world.acme):
        (event,) = AuditEvent.objects.filter(action="token.revoke")
        assert (event.target_id, event.reason) == (row.pk, "lost")


def test_the_last_owner_stays(world: World) -> None:
    with tenant(world.acme):
        owner = Membership.objects.get(operator=world.alice)
    with pytest.raises(LastOwner):
        change_role(membership=owner, role="viewer", actor=TESTS)
    second = add_member(
        org=world.acme,
        operator=Operator.objects.create_user("second@example.com", PASSWORD),
        role="owner",
        actor=TESTS,
    )
    assert change_role(membership=owner, role="viewer", actor=TESTS).role == "viewer"
    with pytest.raises(LastOwner):
        change_role(membership=second, role="admin", actor=TESTS)


def test_an_operator_joins_an_org_once(world: World) -> None:
    with pytest.raises(ValidationError):
        add_member(org=world.acme, operator=world.alice, role="viewer", actor=TESTS)
    add_member(org=world.elsewhere, operator=world.alice, role="viewer", actor=TESTS)


def test_permission_bits_stand_where_the_contract_says() -> None:
    assert Permission.MEMORY_READ == 1 << 0
    assert Permission.DIRECTIVE_PUSH == 1 << 10
    assert Permission.SESSION_TERMINATE == 1 << 18
    assert Permission.AUDIT_READ == 1 << 26
    assert Permission.USER_MANAGE == 1 << 32
    assert Permission.ERASE == 1 << 43
    assert sorted(_bits(VIEWER)) == [0, 8, 17, 24, 25, 33]
    assert sorted(_bits(MEMBER)) == [0, 1, 4, 8, 9, 16, 17, 18, 24, 25, 33]
    assert ALL & ~ADMIN == Permission.ERASE
    assert ROLE_PERMISSIONS["owner"] == ALL


def test_every_change_of_access_leaves_an_audit_row(world: World) -> None:
    world.token()
    with tenant(world.acme):
        actions = list(AuditEvent.objects.order_by("at").values_list("action", flat=True))
    assert actions == ["organization.create", "membership.create", "agent.create", "token.create"]
    with tenant(world.elsewhere):
        assert not AuditEvent.objects.filter(action="token.create").exists()


def test_passwords_are_kept_with_argon2id(world: World) -> None:
    assert world.alice.password.startswith("argon2$argon2id$")
    assert world.alice.check_password(PASSWORD)


def _bits(permissions: Permission) -> list[int]:
    return [bit for bit in range(64) if permissions & (1 << bit)]
