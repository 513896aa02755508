"""Single sign-on: an identity provider lets in operators who are here already, and nobody else."""

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount
from django.test import Client

from orgs.models import Operator
from tests.conftest import World
from tests.identity.doors import (
    SECOND_FACTOR,
    SIGN_IN,
    events,
    is_signed_in,
    set_up_app,
    sign_in_by_password,
)
from tests.identity.provider import CLIENT_ID, CLIENT_SECRET, Provider, serve

START = "/accounts/sso/sso/"


@pytest.fixture
def provider(settings: Any) -> Iterator[Provider]:
    """A running provider that this installation is told of."""
    running = Provider()
    server = serve(running)
    app = {
        "provider_id": "sso",
        "name": "Acme ID",
        "client_id": CLIENT_ID,
        "secret": CLIENT_SECRET,
        "settings": {"server_url": running.url},
    }
    settings.OIDC_NAME = "Acme ID"
    settings.SOCIALACCOUNT_PROVIDERS = {
        "openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [app]}
    }
    yield running
    server.shutdown()


def person(email: str, **more: Any) -> dict[str, Any]:
    return {"sub": "person-1", "email": email, "email_verified": True, **more}


def come_back(provider: Provider, client: Client, **fields: str) -> Any:
    """Press the button, sign in at the provider, and return our answer to coming back."""
    page = client.post(START, fields)
    assert page.status_code == 200
    (target,) = re.findall(r'http-equiv="refresh" content="0;url=([^"]+)"', page.content.decode())
    assert unescape(target).startswith(f"{provider.url}/authorize?")
    return client.get(provider.authorize(unescape(target)))


def test_an_operator_signs_in_by_their_verified_address(world: World, provider: Provider) -> None:
    provider.claims = person(world.alice.email.upper())
    client = Client()
    assert b"Continue with Acme ID" in client.get(SIGN_IN).content
    assert come_back(provider, client)["Location"] == "/"
    assert b"Scout" in client.get("/").content
    (event,) = events(world.acme, "sign_in.succeeded")
    assert (event.actor_id, event.after) == (world.alice.pk, {"by": ["socialaccount"]})
    assert not SocialAccount.objects.exists()
    assert Operator.objects.get(pk=world.alice.pk).has_usable_password()


def test_it_leads_where_the_operator_wanted_to_go(world: World, provider: Provider) -> None:
    provider.claims = person(world.alice.email)
    assert come_back(provider, Client(), next="/agents/")["Location"] == "/agents/"
    assert come_back(provider, Client(), next="//evil.example/")["Location"] == "/"


@pytest.mark.parametrize("verified", [False, None, "true", "false", 1])
def test_an_address_that_is_not_verified_opens_nothing(
    world: World, provider: Provider, verified: Any
) -> None:
    provider.claims = person(world.alice.email, email_verified=verified)
    client = Client()
    assert b"You are not an operator here" in come_back(provider, client).content
    assert not is_signed_in(client)


def test_a_stranger_does_not_become_an_operator(world: World, provider: Provider) -> None:
    provider.claims = person("stranger@example.com")
    client, before = Client(), Operator.objects.count()
    assert b"You are not an operator here" in come_back(provider, client).content
    assert (is_signed_in(client), Operator.objects.count()) == (False, before)


def test_a_deactivated_operator_stays_out(world: World, provider: Provider) -> None:
    Operator.objects.filter(pk=world.alice.pk).update(is_active=False)
    provider.claims = person(world.alice.email)
    client = Client()
    come_back(provider, client)
    assert not is_signed_in(client)


def test_the_second_factor_is_still_asked_for(world: World, provider: Provider) -> None:
    set_up_app(sign_in_by_password(world.alice))
    provider.claims = person(world.alice.email)
    client = Client()
    assert come_back(provider, client)["Location"] == SECOND_FACTOR
    assert not is_signed_in(client)


def test_a_code_for_another_browser_is_refused(world: World, provider: Provider) -> None:
    provider.claims = person(world.alice.email)
    theirs, mine = Client(), Client()
    page = theirs.post(START).content.decode()
    (target,) = re.findall(r'content="0;url=([^"]+)"', page)
    answer = mine.get(provider.authorize(unescape(target)))
    assert b"Sign-in did not work" in answer.content
    assert not is_signed_in(mine)


def test_a_wrong_secret_and_a_denial_open_nothing(
    world: World, provider: Provider, settings: Any
) -> None:
    provider.claims = person(world.alice.email)
    settings.SOCIALACCOUNT_PROVIDERS["openid_connect"]["APPS"][0]["secret"] = "wrong"
    client = Client()
    assert b"Sign-in did not work" in come_back(provider, client).content
    assert b"Sign-in did not work" in client.get(f"{START}back/?error=access_denied").content
    assert not is_signed_in(client)


def test_a_provider_that_is_away_is_said(world: World, provider: Provider, settings: Any) -> None:
    app = settings.SOCIALACCOUNT_PROVIDERS["openid_connect"]["APPS"][0]
    app["settings"] = {"server_url": "http://127.0.0.1:9"}
    answer = Client().post(START)
    assert answer.status_code in {200, 503}
    assert b"http-equiv" not in answer.content


def test_no_account_is_linked_and_nothing_starts_by_a_link(
    world: World, provider: Provider
) -> None:
    client = sign_in_by_password(world.alice)
    assert client.post(f"{START}?process=connect").status_code == 404
    assert client.post(START, {"process": "connect"}).status_code == 404
    assert client.get(START).status_code == 405


def test_without_a_provider_there_is_no_button_and_no_way(world: World) -> None:
    assert b"Continue with" not in Client().get(SIGN_IN).content
    assert Client().post(START).status_code == 404
