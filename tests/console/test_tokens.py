"""Tokens in the console: made, shown once, revoked by name."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from ibex.ids import uuid7
from ibex.tenancy import tenant
from orgs.models import AuditEvent, Token
from orgs.permissions import Permission
from tests.api.rows import make_token
from tests.conftest import SignIn, World

PATH = "/settings/tokens/"


def said(**fields: Any) -> dict[str, Any]:
    return {
        "token_id": str(uuid7()),
        "name": "Support bot",
        "permissions": ["MemoryRead"],
        **fields,
    }


def tokens(world: World) -> list[Token]:
    with tenant(world.acme):
        return list(Token.objects.select_related("agent"))


def test_a_token_is_made_and_its_secret_shown_once(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.alice)
    form = said(
        permissions=["MemoryRead", "SessionCreate"],
        agent=str(world.scout.pk),
        allowed_ips="192.0.2.0/24,\n2001:db8::1",
        reason="For the help desk",
    )
    answer = client.post(f"{PATH}new/", form)
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    (secret,) = re.findall(r"ibex_pat_[-\w]+", answer.content.decode())
    (token,) = tokens(world)
    assert (token.agent, token.created_by_id) == (world.scout, world.alice.pk)
    assert token.permissions == Permission.MEMORY_READ | Permission.SESSION_CREATE
    assert token.allowed_ips == ["192.0.2.0/24", "2001:db8::1/128"]
    page = client.get(PATH).content.decode()
    assert secret not in page
    assert "Support bot" in page
    with tenant(world.acme):
        event = AuditEvent.objects.get(action="token.create")
    assert (event.reason, event.actor_id) == ("For the help desk", world.alice.pk)
    assert event.request_id == answer["X-Request-ID"]


def test_a_form_sent_twice_makes_one_token(world: World, sign_in: SignIn) -> None:
    client, form = sign_in(world.alice), said()
    assert client.post(f"{PATH}new/", form).status_code == 200
    again = client.post(f"{PATH}new/", form)
    assert again.status_code == 409
    assert b"created already" in again.content
    assert b"ibex_pat_" not in again.content
    assert len(tokens(world)) == 1


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"name": ""}, "This field is required."),
        ({"permissions": []}, "opens nothing"),
        ({"permissions": ["Nonsense"]}, "not one of the available choices"),
        ({"allowed_ips": "here 192.0.2.1 there"}, "there is neither an IP address nor a network"),
        ({"expires_at": "2001-01-01T00:00"}, "would have expired already"),
        ({"agent": str(uuid7())}, "not one of the available choices"),
        ({"token_id": "x"}, "valid UUID"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_made(
    world: World, sign_in: SignIn, wrong: dict[str, Any], sentence: str
) -> None:
    answer = sign_in(world.alice).post(f"{PATH}new/", said(**wrong))
    assert answer.status_code == 400
    assert sentence in answer.content.decode()
    assert tokens(world) == []


def test_another_orgs_agent_cannot_be_chosen(world: World, sign_in: SignIn) -> None:
    answer = sign_in(world.alice).post(f"{PATH}new/", said(agent=str(world.spy.pk)))
    assert (answer.status_code, tokens(world)) == (400, [])


def test_an_admin_cannot_grant_erasure(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.member("admin"))
    page = client.get(f"{PATH}new/").content.decode()
    assert re.search(r'value="Erase" disabled', page)
    assert not re.search(r'value="MemoryRead"[^>]* disabled', page)
    answer = client.post(f"{PATH}new/", said(permissions=["Erase"]))
    assert answer.status_code == 403
    assert b"You cannot grant what you do not hold" in answer.content
    assert tokens(world) == []


@pytest.mark.parametrize("role", ["member", "viewer"])
def test_members_and_viewers_manage_no_tokens(world: World, sign_in: SignIn, role: str) -> None:
    token, client = make_token(world.scout), sign_in(world.member(role))
    for path in (PATH, f"{PATH}new/", f"{PATH}{token.pk}/revoke/"):
        assert client.get(path).status_code == 403
        if path != PATH:
            assert client.post(path, said(reason="x")).status_code == 403
    assert tokens(world)[0].revoked_at is None


def test_revoking_names_the_token_and_wants_a_reason(world: World, sign_in: SignIn) -> None:
    token, client = make_token(world.scout), sign_in(world.alice)
    path = f"{PATH}{token.pk}/revoke/"
    assert b"Revoke <bdi>A token</bdi>?" in client.get(path).content
    assert client.post(path).status_code == 400
    assert tokens(world)[0].revoked_at is None
    assert client.post(path, {"reason": "Leaked"})["Location"] == PATH
    assert tokens(world)[0].revoked_at is not None
    assert b"revoked" in client.get(PATH).content


def test_another_orgs_token_is_missing(world: World, sign_in: SignIn) -> None:
    token = make_token(world.scout)
    path = f"{PATH}{token.pk}/revoke/"
    client = sign_in(world.mallory)
    assert client.get(path).status_code == 404
    assert client.post(path, {"reason": "x"}).status_code == 404
    assert b"A token" not in client.get(PATH).content
    assert sign_in(world.alice).get(path).status_code == 200


def test_nobody_gets_in_without_signing_in(world: World) -> None:
    for path in (PATH, f"{PATH}new/", f"{PATH}{uuid7()}/revoke/"):
        assert Client().get(path).status_code == 302


def test_the_list_says_what_each_token_is(world: World, sign_in: SignIn) -> None:
    token = make_token(world.scout, expires_at=timezone.now() + timedelta(hours=1))
    with tenant(world.acme):
        Token.objects.filter(pk=token.pk).update(expires_at=timezone.now() - timedelta(hours=1))
    page = sign_in(world.alice).get(PATH).content.decode()
    for words in ("expired", "3 permissions", "Read and search memories", "Scout", token.prefix):
        assert words in page
    assert "No token matches" in sign_in(world.alice).get(f"{PATH}?state=active").content.decode()


def test_the_list_reads_a_fixed_number_of_queries(
    world: World, sign_in: SignIn, django_assert_num_queries: Any
) -> None:
    client = sign_in(world.alice)
    client.get(PATH)
    for _ in range(2):
        with django_assert_num_queries(11):
            client.get(PATH)
        for _ in range(3):
            make_token(world.scout)


def test_one_token_has_a_page_and_a_fragment_for_the_list(world: World, sign_in: SignIn) -> None:
    token = make_token(world.scout)
    client, address = sign_in(world.alice), f"{PATH}{token.pk}/"
    assert f'data-peek="{address}"' in client.get(PATH).content.decode()
    page = client.get(address).content.decode()
    part = client.get(address, headers={"HX-Request": "true"}).content.decode()
    assert ("<html" in page, "<html" in part) == (True, False)
    for text in (page, part):
        for words in (token.name, token.prefix, "Scout", f"{address}revoke/"):
            assert words in text
    assert sign_in(world.mallory).get(address).status_code == 404
