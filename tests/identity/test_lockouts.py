"""Too many wrong passwords: a lockout that says how long, and that an admin sees and lifts."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from axes.models import AccessAttempt
from django.test import Client
from django.utils import timezone

from identity import lockouts
from tests.conftest import PASSWORD, SignIn, World
from tests.identity.doors import attempt, events
from tests.identity.test_reset_password import NEW, choose, link_in

LIMIT = 5


def lock_out(email: str, ip: str = "203.0.113.7") -> None:
    for number in range(LIMIT):
        expected = 200 if number < LIMIT - 1 else 429
        assert attempt(email, "wrong", ip=ip).status_code == expected


def test_five_wrong_passwords_close_sign_in_and_say_for_how_long(world: World) -> None:
    lock_out(world.alice.email)
    answer = attempt(world.alice.email, PASSWORD)
    page = answer.content.decode()
    assert answer.status_code == 429
    assert "15 minutes" in page
    assert "passkey still works" in page
    assert len(events(world.acme, "sign_in.failed")) == LIMIT
    (event,) = events(world.acme, "sign_in.locked_out")
    assert (event.target_id, event.ip) == (world.alice.pk, "203.0.113.7")


def test_an_address_that_nobody_has_is_locked_out_alike(world: World) -> None:
    lock_out(world.alice.email)
    lock_out("nobody@example.com")
    known, unknown = attempt(world.alice.email, "x"), attempt("nobody@example.com", "x")
    assert (known.status_code, unknown.status_code) == (429, 429)
    request_id = known["X-Request-ID"], unknown["X-Request-ID"]
    pages = [
        answer.content.decode().replace(own, "…")
        for answer, own in zip((known, unknown), request_id, strict=True)
    ]
    assert pages[0] == pages[1]


def test_another_client_and_another_address_are_not_locked_out(world: World) -> None:
    lock_out(world.alice.email)
    assert attempt(world.alice.email, PASSWORD, ip="203.0.113.8").status_code == 302
    assert attempt(world.mallory.email, PASSWORD).status_code == 302


def test_neither_case_nor_a_forwarded_header_starts_a_new_count(world: World) -> None:
    for number in range(LIMIT):
        email = world.alice.email.upper() if number % 2 else f" {world.alice.email} "
        answer = attempt(
            email,
            "wrong",
            headers={"X-Forwarded-For": f"198.51.100.{number}", "User-Agent": f"{number}"},
        )
    assert answer.status_code == 429
    answer = attempt(world.alice.email, PASSWORD, headers={"X-Forwarded-For": "198.51.100.99"})
    assert answer.status_code == 429
    assert set(AccessAttempt.objects.values_list("username", "ip_address")) == {
        (world.alice.email, "203.0.113.7")
    }


def test_it_ends_by_itself_and_is_not_prolonged_by_trying(world: World) -> None:
    start = timezone.now()
    with time_machine.travel(start, tick=False) as clock:
        lock_out(world.alice.email)
        clock.shift(timedelta(minutes=14))
        assert attempt(world.alice.email, PASSWORD).status_code == 429
        clock.shift(timedelta(minutes=1, seconds=1))
        assert attempt(world.alice.email, PASSWORD).status_code == 302


def test_a_success_starts_the_count_anew(world: World) -> None:
    for _ in range(LIMIT - 1):
        attempt(world.alice.email, "wrong")
    assert attempt(world.alice.email, PASSWORD).status_code == 302
    for _ in range(LIMIT - 1):
        assert attempt(world.alice.email, "wrong").status_code == 200


def test_no_password_is_kept_with_the_count(world: World) -> None:
    attempt(world.alice.email, "a secret guess", next="/agents/")
    (row,) = AccessAttempt.objects.all()
    assert "a secret guess" not in row.post_data + row.get_data
    assert world.alice.email not in row.post_data


def test_an_admin_sees_and_lifts_a_lockout(world: World, sign_in: SignIn) -> None:
    lock_out(world.alice.email)
    admin = world.member("admin")
    client = sign_in(admin)
    page = client.get("/settings/lockouts/").content.decode()
    assert "Alice" in page
    assert "203.0.113.7" in page
    (row,) = AccessAttempt.objects.filter(username=world.alice.email)
    assert client.post(f"/settings/lockouts/{row.pk}/lift/")["Location"] == "/settings/lockouts/"
    assert b"may sign in again" in client.get("/settings/lockouts/").content
    assert attempt(world.alice.email, PASSWORD).status_code == 302
    (event,) = events(world.acme, "sign_in.lockout_lifted")
    assert (event.actor_id, event.target_id) == (admin.pk, world.alice.pk)


def test_lifting_twice_is_a_missing_page(world: World, sign_in: SignIn) -> None:
    lock_out(world.alice.email)
    (row,) = AccessAttempt.objects.filter(username=world.alice.email)
    client = sign_in(world.member("admin"))
    assert client.post(f"/settings/lockouts/{row.pk}/lift/").status_code == 302
    assert client.post(f"/settings/lockouts/{row.pk}/lift/").status_code == 404
    assert len(events(world.acme, "sign_in.lockout_lifted")) == 1


def test_another_orgs_lockout_is_missing(world: World, sign_in: SignIn) -> None:
    lock_out(world.alice.email)
    (row,) = AccessAttempt.objects.filter(username=world.alice.email)
    mallory = sign_in(world.mallory)
    assert b"Nobody is locked out" in mallory.get("/settings/lockouts/").content
    assert mallory.post(f"/settings/lockouts/{row.pk}/lift/").status_code == 404
    assert attempt(world.alice.email, PASSWORD).status_code == 429
    assert b"Alice" in sign_in(world.alice).get("/settings/lockouts/").content


@pytest.mark.parametrize("role", ["viewer", "member"])
def test_who_may_not_manage_members_lifts_nothing(world: World, sign_in: SignIn, role: str) -> None:
    lock_out(world.alice.email)
    (row,) = AccessAttempt.objects.filter(username=world.alice.email)
    client = sign_in(world.member(role))
    assert client.get("/settings/lockouts/").status_code == 403
    assert client.post(f"/settings/lockouts/{row.pk}/lift/").status_code == 403
    assert attempt(world.alice.email, PASSWORD).status_code == 429


def test_the_list_reads_a_fixed_number_of_queries(
    world: World, sign_in: SignIn, django_assert_num_queries
) -> None:
    client = sign_in(world.alice)
    client.get("/settings/lockouts/")
    with django_assert_num_queries(8):  # there is nobody to name
        client.get("/settings/lockouts/")
    for number in (1, 3):
        while client.get("/settings/lockouts/").content.count(b"Lift the lockout") < number:
            lock_out(world.member("viewer").email)
        with django_assert_num_queries(9):
            client.get("/settings/lockouts/")


def test_of_many_lockouts_the_next_to_end_are_shown_and_any_is_lifted(
    world: World, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = sign_in(world.alice)
    members = [world.member("viewer") for _ in range(3)]
    for member in members:
        lock_out(member.email)
    text = client.get("/settings/lockouts/").content.decode()
    assert all(member.email in text for member in members)
    assert "Only 2 are shown" not in text
    monkeypatch.setattr(lockouts, "MAX_SHOWN", 2)
    text = client.get("/settings/lockouts/").content.decode()
    assert [member.email in text for member in members] == [True, True, False]
    assert "Only 2 are shown, the next to end first." in text
    row = AccessAttempt.objects.get(username=members[2].email)
    assert client.post(f"/settings/lockouts/{row.pk}/lift/").status_code == 302
    assert not AccessAttempt.objects.filter(pk=row.pk).exists()


def test_lifting_needs_a_csrf_token(world: World) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.alice)
    assert client.post("/settings/lockouts/1/lift/").status_code == 403


def test_a_new_password_by_mail_opens_sign_in_at_once(world: World, mailbox: list[Any]) -> None:
    lock_out(world.alice.email)
    Client().post("/accounts/password/reset/", {"email": world.alice.email})
    choose(Client(), link_in(mailbox[0]))
    assert attempt(world.alice.email, NEW).status_code == 302
