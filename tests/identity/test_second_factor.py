"""A second factor: set up, asked for, used once, lost, required by an organization."""

import time

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test import Client

from ibex.tenancy import tenant
from identity import secrets
from orgs.members import add_member
from orgs.models import Organization
from tests.conftest import PASSWORD, TESTS, SignIn, World
from tests.identity.doors import (
    SECOND_FACTOR,
    SIGN_IN,
    attempt,
    code_of,
    events,
    is_signed_in,
    recovery_codes,
    set_up_app,
    sign_in_by_password,
)

NOW = 1_800_000_010.0


@pytest.fixture
def clock():
    """A clock that a test moves: codes are good for moments."""
    with time_machine.travel(NOW, tick=False) as moved:
        yield moved


def later(clock, secret: str, seconds: float = 300.0) -> str:
    """Move on, so that earlier codes are over, and compute the code of then."""
    clock.shift(seconds)
    return code_of(secret, time.time())


def test_an_operator_signs_in_with_a_code_of_their_app(world: World, clock) -> None:
    secret = set_up_app(sign_in_by_password(world.alice))
    client = Client()
    answer = sign_in_by_password(world.alice, client).get("/")
    assert answer["Location"] == f"{SIGN_IN}?next=/"
    assert client.get(SIGN_IN)["Location"] == SECOND_FACTOR
    assert client.post(SECOND_FACTOR, {"code": later(clock, secret)})["Location"] == "/"
    assert b"Scout" in client.get("/").content
    (*_, event) = events(world.acme, "sign_in.succeeded")
    assert (event.actor_id, event.after) == (world.alice.pk, {"by": ["password", "totp"]})


def test_the_way_that_was_wanted_survives_the_second_step(world: World, clock) -> None:
    secret = set_up_app(sign_in_by_password(world.alice))
    client, wanted = Client(), f"/agents/{world.scout.pk}/memories/"
    attempt(world.alice.email, PASSWORD, client, next=wanted)
    assert client.post(SECOND_FACTOR, {"code": later(clock, secret)})["Location"] == wanted


def test_a_code_works_once(world: World, clock) -> None:
    secret = set_up_app(sign_in_by_password(world.alice))
    code = later(clock, secret)
    first, second = sign_in_by_password(world.alice), sign_in_by_password(world.alice)
    assert first.post(SECOND_FACTOR, {"code": code}).status_code == 302
    clock.shift(31)  # the app shows another one, the clock's tolerance would still take it
    answer = second.post(SECOND_FACTOR, {"code": code})
    assert b"not right, or it was used before" in answer.content
    assert not is_signed_in(second)


def test_a_code_of_another_operator_is_wrong(world: World, clock) -> None:
    set_up_app(sign_in_by_password(world.alice))
    theirs = set_up_app(sign_in_by_password(world.mallory))
    client = sign_in_by_password(world.alice)
    assert client.post(SECOND_FACTOR, {"code": later(clock, theirs)}).status_code == 200
    assert not is_signed_in(client)


def test_a_recovery_code_works_once(world: World, clock) -> None:
    setting_up = sign_in_by_password(world.alice)
    set_up_app(setting_up)
    codes = recovery_codes(setting_up)
    assert len(codes) == 10
    first, second = sign_in_by_password(world.alice), sign_in_by_password(world.alice)
    assert first.post(SECOND_FACTOR, {"code": codes[0]}).status_code == 302
    assert second.post(SECOND_FACTOR, {"code": codes[0]}).status_code == 200
    assert not is_signed_in(second)
    assert second.post(SECOND_FACTOR, {"code": codes[1]}).status_code == 302
    assert b"8 left" in first.get("/settings/me/").content


def test_five_wrong_codes_lock_out_even_with_the_right_password(world: World, clock) -> None:
    secret = set_up_app(sign_in_by_password(world.alice))
    client = sign_in_by_password(world.alice)
    for _ in range(4):
        answer = client.post(SECOND_FACTOR, {"code": "000000"}, REMOTE_ADDR="203.0.113.7")
        assert answer.status_code == 200
    answer = client.post(SECOND_FACTOR, {"code": "000000"}, REMOTE_ADDR="203.0.113.7")
    assert answer.status_code == 429
    right = client.post(
        SECOND_FACTOR, {"code": later(clock, secret, 60)}, REMOTE_ADDR="203.0.113.7"
    )
    assert (right.status_code, is_signed_in(client)) == (429, False)
    assert attempt(world.alice.email, PASSWORD).status_code == 429
    kinds = [event.after["by"] for event in events(world.acme, "sign_in.failed")]
    assert kinds == ["totp"] * 5
    assert len(events(world.acme, "sign_in.locked_out")) == 1


def test_keys_and_codes_are_encrypted_in_the_database(world: World, clock) -> None:
    client = sign_in_by_password(world.alice)
    secret = set_up_app(client)
    codes = recovery_codes(client)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT data::text FROM mfa_authenticator WHERE user_id = %s", [world.alice.pk]
        )
        stored = " ".join(row[0] for row in cursor.fetchall())
    assert secret not in stored
    assert not any(code in stored for code in codes)
    totp = Authenticator.objects.get(user=world.alice, type="totp")
    assert secrets.decrypt(totp.data["secret"]) == secret


def test_setting_up_the_first_factor_ends_sessions_that_began_without(
    committed_world: World, clock, mailbox
) -> None:
    elsewhere, here = (
        sign_in_by_password(committed_world.alice),
        sign_in_by_password(committed_world.alice),
    )
    assert is_signed_in(elsewhere)
    set_up_app(here)
    assert (is_signed_in(elsewhere), is_signed_in(here)) == (False, True)
    added = [event.after["type"] for event in events(committed_world.acme, "sign_in.factor_added")]
    assert added[0] == "totp"
    assert not events(committed_world.elsewhere, "sign_in.factor_added")
    (mail,) = mailbox
    assert mail.to == [committed_world.alice.email]
    assert "An authenticator app was set up" in mail.subject


def test_removing_the_app_takes_its_codes_along_and_is_written_down(world: World, clock) -> None:
    client = sign_in_by_password(world.alice)
    set_up_app(client)
    assert client.post("/accounts/second-factor/app/remove/")["Location"] == (
        "/accounts/second-factor/settings/"
    )
    assert not Authenticator.objects.filter(user=world.alice).exists()
    removed = {event.after["type"] for event in events(world.acme, "sign_in.factor_removed")}
    assert "totp" in removed


def test_a_change_of_factors_asks_again_who_is_there(world: World, clock) -> None:
    client = sign_in_by_password(world.alice)
    answer = client.get("/accounts/second-factor/app/")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/confirm/?")
    page = answer["Location"]
    assert b"not your password" in client.post(page, {"password": "wrong"}).content
    confirmed = client.post(page, {"password": PASSWORD})
    assert confirmed["Location"] == "/accounts/second-factor/app/"
    assert client.get("/accounts/second-factor/app/").status_code == 200
    clock.shift(301)
    assert client.get("/accounts/second-factor/app/").status_code == 302


def require_second_factor(org: Organization) -> None:
    with tenant(org):
        Organization.objects.filter(pk=org.pk).update(mfa_required=True)


def test_an_organization_that_requires_a_factor_opens_nothing_without(
    world: World, sign_in: SignIn
) -> None:
    client = sign_in(world.alice)
    assert client.get("/").status_code == 200
    require_second_factor(world.acme)
    for path in ("/", "/agents/", "/memories/", f"/agents/{world.scout.pk}/directive/"):
        answer = client.get(path)
        assert (answer.status_code, answer["Location"]) == (
            302,
            "/accounts/second-factor/required/",
        )
    pushed = client.post(f"/agents/{world.scout.pk}/directive/", {"content": "x", "reason": "y"})
    assert pushed["Location"] == "/accounts/second-factor/required/"
    page = client.get("/accounts/second-factor/required/").content
    assert b"Acme" in page
    assert b"Scout" not in page
    assert client.get("/settings/me/").status_code == 200


def test_the_factor_opens_it(world: World, clock) -> None:
    require_second_factor(world.acme)
    client = sign_in_by_password(world.alice)
    assert client.get("/")["Location"] == "/accounts/second-factor/required/"
    set_up_app(client)
    assert b"Scout" in client.get("/").content
    assert client.get("/accounts/second-factor/required/")["Location"] == "/"


def test_another_organization_of_the_same_operator_stays_open(
    world: World, sign_in: SignIn
) -> None:
    add_member(org=world.elsewhere, operator=world.alice, role="viewer", actor=TESTS)
    require_second_factor(world.acme)
    client = sign_in(world.alice)
    assert client.get("/").status_code == 302
    assert client.post("/organizations/", {"org_id": str(world.elsewhere.pk)}).status_code == 302
    assert b"Spy" in client.get("/").content
    client.post("/organizations/", {"org_id": str(world.acme.pk)})
    assert client.get("/")["Location"] == "/accounts/second-factor/required/"


def test_the_api_asks_for_it_too(world: World, sign_in: SignIn, settings) -> None:
    settings.ROOT_URLCONF = "ibex.urls.api"
    client = sign_in(world.alice)
    assert client.get("/api/v1/agents").status_code == 200
    require_second_factor(world.acme)
    answer = client.get("/api/v1/agents")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "MFA_REQUIRED")


def test_the_second_step_alone_leads_back_to_the_first(world: World) -> None:
    assert Client().get(SECOND_FACTOR)["Location"].startswith(SIGN_IN)
    assert Client().post(SECOND_FACTOR, {"code": "123456"})["Location"].startswith(SIGN_IN)


def test_whoever_runs_the_installation_takes_a_lost_factor_away(world: World, clock) -> None:
    before = sign_in_by_password(world.alice)
    set_up_app(before)
    call_command("reset_second_factor", world.alice.email.upper())
    assert not is_signed_in(before)
    assert is_signed_in(sign_in_by_password(world.alice))
    (event,) = events(world.acme, "sign_in.factors_reset")
    assert (event.actor_type, event.target_id) == ("system", world.alice.pk)
    with pytest.raises(CommandError, match="No operator"):
        call_command("reset_second_factor", "nobody@example.com")
