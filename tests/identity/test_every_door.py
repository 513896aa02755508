"""What holds for every page at the door: ours, strict, closed to strangers, alive without Redis."""

from typing import Any

import pytest
import redis
from django.test import Client
from django.urls import get_resolver

from ibex.mail import mail_settings
from ibex.startup import UnsafeStart, refuse_unsafe_start
from identity.urls import accounts
from tests.conftest import PASSWORD, World
from tests.identity.doors import (
    SECOND_FACTOR,
    SIGN_IN,
    attempt,
    code_of,
    confirm,
    set_up_app,
    sign_in_by_password,
)

OPEN = [SIGN_IN, "/accounts/password/reset/", "/accounts/password/reset/done/"]
OPEN += ["/accounts/password/reset/changed/", "/accounts/password/reset/0-set-password/"]
OPEN += ["/accounts/inactive/", "/accounts/sso-cancelled/", "/accounts/sso-failed/"]
MINE = [
    "/accounts/sign-out/",
    "/accounts/confirm/",
    "/accounts/password/change/",
    "/accounts/second-factor/app/remove/",
    "/accounts/second-factor/codes/",
    "/accounts/second-factor/codes/new/",
    "/accounts/second-factor/confirm/",
    "/accounts/passkeys/add/",
    "/settings/me/",
    "/organizations/",
]
GONE = ["signup/", "login/", "email/", "3rdparty/", "login/code/", "2fa/", "social/signup/"]


def check(page: str) -> None:
    assert 'class="card sign-in"' in page or "<h1" in page
    assert "ibex/console.css" in page
    for forbidden in ("<script>", "<style", " style=", " onclick=", "javascript:", "data:image"):
        assert forbidden not in page, forbidden


@pytest.mark.parametrize("path", OPEN)
def test_an_open_page_is_ours_and_holds_nothing_inline(db: None, path: str) -> None:
    answer = Client().get(path, follow=True)
    assert answer.status_code in {200, 401}, path
    check(answer.content.decode())
    assert answer["Content-Security-Policy"].startswith("default-src 'self';")


def test_own_pages_are_ours_too_and_ask_who_is_there(world: World) -> None:
    client = sign_in_by_password(world.alice)
    set_up_app(client)
    confirm(client)
    for path in MINE:
        answer = client.get(path)
        assert answer.status_code == 200, (path, answer.get("Location"))
        check(answer.content.decode())
        stranger = Client().get(path)
        assert stranger.status_code == 302, path
        assert stranger["Location"].startswith((SIGN_IN, "/accounts/")), path


def test_every_address_of_allauth_is_one_that_was_chosen(db: None) -> None:
    for path in GONE:
        assert Client().get(f"/accounts/{path}").status_code == 404, path
    assert len(accounts) == 10
    assert "account_signup" not in get_resolver("ibex.urls.dashboard").reverse_dict


def test_nobody_is_let_in_by_luck_while_redis_is_away(world: World, settings: Any) -> None:
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:9/0",
        }
    }
    client = Client()
    answer = attempt(world.alice.email, PASSWORD, client)
    assert answer.status_code == 503
    assert b"not possible right now" in answer.content
    assert client.get("/")["Location"].startswith(SIGN_IN)
    assert Client().get(SIGN_IN).status_code == 200


def test_a_code_is_used_up_for_every_process(world: World, settings: Any, redis_url: str) -> None:
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": redis_url,
            "KEY_PREFIX": f"test-{world.acme.pk}",
        }
    }
    secret = set_up_app(sign_in_by_password(world.alice))
    first, second = sign_in_by_password(world.alice), sign_in_by_password(world.alice)
    code = code_of(secret)
    assert first.post(SECOND_FACTOR, {"code": code}).status_code == 302
    assert second.post(SECOND_FACTOR, {"code": code}).status_code == 200
    kept = redis.Redis.from_url(redis_url).keys(f"test-{world.acme.pk}:*used*")
    assert len(kept) == 2


@pytest.mark.parametrize(
    ("url", "host", "port", "starttls", "tls"),
    [
        ("smtp://mail.example", "mail.example", 25, False, False),
        ("smtp+tls://u:p%40ss@mail.example", "mail.example", 587, True, False),
        ("smtps://u:p@mail.example:4650", "mail.example", 4650, False, True),
    ],
)
def test_a_url_names_the_mail_server(
    url: str, host: str, port: int, starttls: bool, tls: bool
) -> None:
    mail = mail_settings(url, development=False)
    assert mail is not None
    assert (mail.host, mail.port, mail.starttls, mail.tls) == (host, port, starttls, tls)
    assert mail.password in {"", "p", "p@ss"}


def test_a_url_that_is_none_stops_the_process_without_quoting_it() -> None:
    with pytest.raises(SystemExit, match="IBEX_EMAIL_URL") as stopped:
        mail_settings("https://u:hidden@mail.example", development=True)
    assert "hidden" not in str(stopped.value)
    assert mail_settings("", development=False) is None


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"IBEX_OIDC_URL": "http://id.example"}, "IBEX_OIDC_CLIENT_ID"),
        (
            {
                "IBEX_OIDC_URL": "http://id.example",
                "IBEX_OIDC_CLIENT_ID": "a",
                "IBEX_OIDC_CLIENT_SECRET": "b",
            },
            "https",
        ),
    ],
)
def test_production_refuses_an_unsafe_provider(
    database_url: str, monkeypatch: pytest.MonkeyPatch, values: dict[str, str], reason: str
) -> None:
    monkeypatch.setenv("IBEX_ENV", "production")
    refuse_unsafe_start(database_url)
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UnsafeStart, match=reason):
        refuse_unsafe_start(database_url)
