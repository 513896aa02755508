"""Where an operator is signed in, and how they end it from elsewhere."""

import re
from typing import Any

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from identity.devices import browser_name
from tests.conftest import PASSWORD, World
from tests.identity.doors import attempt, is_signed_in, sign_in_by_password

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1"
)


def device_ids(client: Client) -> list[str]:
    page = client.get("/settings/me/").content.decode()
    return re.findall(r"/settings/me/devices/(\d+)/end/", page)


def test_the_list_names_browsers_and_marks_this_one(world: World) -> None:
    attempt(world.alice.email, PASSWORD, headers={"User-Agent": SAFARI})
    here = Client(headers={"User-Agent": FIREFOX}, REMOTE_ADDR="203.0.113.7")
    page = sign_in_by_password(world.alice, here).get("/settings/me/").content.decode()
    assert page.count("this browser</span>") == 1
    assert page.index("Firefox on Linux") < page.index("Safari on iPhone")
    assert "203.0.113.7" in page


def test_signing_one_out_ends_that_session_alone(world: World) -> None:
    here, there, third = (sign_in_by_password(world.alice) for _ in range(3))
    first, second = device_ids(here)
    assert here.post(f"/settings/me/devices/{first}/end/")["Location"] == "/settings/me/"
    assert is_signed_in(here)
    assert sorted([is_signed_in(there), is_signed_in(third)]) == [False, True]
    assert device_ids(here) == [second]
    assert here.post(f"/settings/me/devices/{first}/end/").status_code == 404


def test_signing_all_others_out_keeps_this_one(world: World) -> None:
    here, there, third = (sign_in_by_password(world.alice) for _ in range(3))
    answer = here.post("/settings/me/devices/end-others/", follow=True)
    assert b"2 other browsers are signed out" in answer.content
    assert [is_signed_in(client) for client in (here, there, third)] == [True, False, False]


def test_many_browsers_cost_as_many_queries_as_one(
    world: World, django_assert_num_queries: Any
) -> None:
    here = sign_in_by_password(world.alice)
    here.get("/settings/me/")
    for _ in range(2):
        with django_assert_num_queries(7):
            shown = len(device_ids(here))
        for _ in range(4):
            other = Client()
            other.force_login(world.alice)
            other.get("/settings/me/")
    assert shown == 4
    assert len(device_ids(here)) == 8


def test_what_has_ended_by_itself_is_no_longer_listed(world: World) -> None:
    here, over, stale, lost = (sign_in_by_password(world.alice) for _ in range(4))
    assert len(device_ids(here)) == 3
    Session.objects.filter(pk=over.session.session_key).update(expire_date=timezone.now())
    Session.objects.filter(pk=lost.session.session_key).delete()
    mine = stale.session
    mine[HASH_SESSION_KEY] = "of another password"
    mine.save()
    assert device_ids(here) == []
    assert UserSession.objects.filter(user=world.alice).count() == 1


def test_anothers_device_is_missing(world: World) -> None:
    alice, mallory = sign_in_by_password(world.alice), sign_in_by_password(world.mallory)
    sign_in_by_password(world.alice)
    (other,) = device_ids(alice)
    assert mallory.post(f"/settings/me/devices/{other}/end/").status_code == 404
    mallory.post("/settings/me/devices/end-others/")
    assert len(device_ids(alice)) == 1


def test_a_changed_password_signs_the_others_out(world: World) -> None:
    here, there = sign_in_by_password(world.alice), sign_in_by_password(world.alice)
    new = "a quite different long sentence"
    fields = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    assert here.post("/accounts/password/change/", fields)["Location"] == "/settings/me/"
    assert (is_signed_in(here), is_signed_in(there)) == (True, False)
    assert attempt(world.alice.email, PASSWORD).status_code == 200
    assert attempt(world.alice.email, new).status_code == 302


def test_signing_out_ends_the_session_on_the_server(world: World) -> None:
    client = sign_in_by_password(world.alice)
    kept = client.cookies[settings.SESSION_COOKIE_NAME].value
    client.post("/accounts/sign-out/")
    again = Client()
    again.cookies[settings.SESSION_COOKIE_NAME] = kept
    assert not is_signed_in(again)


def test_these_pages_take_a_post_with_a_csrf_token(world: World) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.alice)
    for path in ("/settings/me/", "/settings/me/theme/", "/settings/me/devices/end-others/"):
        assert client.post(path).status_code == 403, path
    assert client.get("/settings/me/devices/end-others/").status_code == 405


def test_what_a_browser_says_of_itself_is_named_or_quoted() -> None:
    assert browser_name(FIREFOX) == "Firefox on Linux"
    assert browser_name(SAFARI) == "Safari on iPhone"
    assert browser_name("curl/8.5.0") == "curl"
    assert browser_name("<b>Something</b>") == "<b>Something</b>"
    assert browser_name("") == "Unknown"
