"""Rotating a token in the console: another secret shown once, the old one counted down."""

import re

import pytest

from ibex.tenancy import tenant
from orgs.models import AuditEvent, Token
from orgs.permissions import Permission
from orgs.rotation import rotate_token
from orgs.services import revoke_token
from tests.api.rows import make_token
from tests.conftest import TESTS, SignIn, World

PATH = "/settings/tokens/"


def tokens(world: World) -> list[Token]:
    with tenant(world.acme):
        return list(Token.objects.select_related("replaced_by"))


def test_a_token_is_rotated_and_the_new_secret_shown_once(world: World, sign_in: SignIn) -> None:
    old, client = make_token(world.scout), sign_in(world.alice)
    address = f"{PATH}{old.pk}/rotate/"
    assert f'href="{address}"' in client.get(f"{PATH}{old.pk}/").content.decode()
    assert b"Rotate <bdi>A token</bdi>?" in client.get(address).content
    answer = client.post(address, {"grace": "1h", "reason": "A year old"})
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    (secret,) = set(re.findall(r"ibex_pat_[-\w]{60,}", answer.content.decode()))
    new = next(one for one in tokens(world) if one.pk != old.pk)
    assert str(new.pk) in secret
    assert "works until" in answer.content.decode()
    with tenant(world.acme):
        event = AuditEvent.objects.get(action="token.rotate")
    assert (event.actor_id, event.reason) == (world.alice.pk, "A year old")
    for one, other in ((old, new), (new, old)):
        page = client.get(f"{PATH}{one.pk}/").content.decode()
        assert f'href="{PATH}{other.pk}/"' in page
        assert secret not in page


def test_a_second_identical_request_points_to_the_first_ones_token(
    world: World, sign_in: SignIn
) -> None:
    old, client = make_token(world.scout), sign_in(world.alice)
    address, said = f"{PATH}{old.pk}/rotate/", {"grace": "24h"}
    assert client.post(address, said).status_code == 200
    again = client.post(address, said)
    assert again.status_code == 409
    page = again.content.decode()
    assert "was rotated already" in page
    new = next(one for one in tokens(world) if one.pk != old.pk)
    assert f'href="{PATH}{new.pk}/"' in page
    assert len(tokens(world)) == 2
    page = client.get(f"{PATH}{old.pk}/").content.decode()
    assert re.search(r"disabled title=\"This token was rotated already", page)


def test_a_grace_that_is_none_changes_nothing(world: World, sign_in: SignIn) -> None:
    old, client = make_token(world.scout), sign_in(world.alice)
    answer = client.post(f"{PATH}{old.pk}/rotate/", {"grace": "forever"})
    assert answer.status_code == 400
    assert [one.expires_at for one in tokens(world)] == [None]


def test_a_revoked_token_offers_no_rotation(world: World, sign_in: SignIn) -> None:
    old, client = make_token(world.scout), sign_in(world.alice)
    revoke_token(token=old, actor=TESTS)
    page = client.get(f"{PATH}{old.pk}/").content.decode()
    assert re.search(r"disabled title=\"This token is revoked, so it cannot be rotated", page)
    answer = client.post(f"{PATH}{old.pk}/rotate/", {"grace": "now"})
    assert answer.status_code == 409
    assert len(tokens(world)) == 1


def test_an_admin_rotates_no_token_that_erases(world: World, sign_in: SignIn) -> None:
    erases = world.token_row(world.token(permissions=Permission.ERASE))
    reads = world.token_row(world.token(permissions=Permission.MEMORY_READ))
    client = sign_in(world.member("admin"))
    page = client.get(f"{PATH}{erases.pk}/").content.decode()
    assert re.search(r"disabled title=\"You cannot grant what you do not hold", page)
    assert client.post(f"{PATH}{erases.pk}/rotate/", {"grace": "now"}).status_code == 403
    assert client.post(f"{PATH}{reads.pk}/rotate/", {"grace": "now"}).status_code == 200


@pytest.mark.parametrize("role", ["member", "viewer"])
def test_members_and_viewers_rotate_nothing(world: World, sign_in: SignIn, role: str) -> None:
    address = f"{PATH}{make_token(world.scout).pk}/rotate/"
    client = sign_in(world.member(role))
    assert client.get(address).status_code == 403
    assert client.post(address, {"grace": "now"}).status_code == 403
    assert [one.revoked_at for one in tokens(world)] == [None]


def test_another_orgs_token_is_missing(world: World, sign_in: SignIn) -> None:
    address = f"{PATH}{make_token(world.scout).pk}/rotate/"
    client = sign_in(world.mallory)
    assert client.get(address).status_code == 404
    assert client.post(address, {"grace": "now"}).status_code == 404
    assert sign_in(world.alice).get(address).status_code == 200


def test_a_token_reads_a_fixed_number_of_queries_however_it_is_linked(
    world: World, sign_in: SignIn, django_assert_num_queries
) -> None:
    alone, client = make_token(world.scout), sign_in(world.alice)
    middle, _secret = rotate_token(
        token=make_token(world.scout), grace="24h", actor=TESTS, held=Permission(-1)
    )
    rotate_token(token=middle, grace="24h", actor=TESTS, held=Permission(-1))
    client.get(PATH)
    for token in (alone, middle):
        with django_assert_num_queries(8):
            client.get(f"{PATH}{token.pk}/")
