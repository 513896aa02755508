"""Getting into the console and out of it."""

import pytest
from django.contrib.auth import SESSION_KEY
from django.test import Client
from django.urls import reverse

from orgs.models import Operator
from tests.conftest import PASSWORD, SignIn, World

SIGN_IN = "/accounts/sign-in/"
WRONG = "The address or the password is not right."


def attempt(email: str, password: str, client: Client | None = None, **more: str):
    return (client or Client()).post(SIGN_IN, {"login": email, "password": password, **more})


def test_an_operator_signs_in_and_sees_their_agents(world: World) -> None:
    client = Client()
    answer = attempt(world.alice.email, PASSWORD, client)
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert b"Scout" in client.get("/").content


def test_the_address_is_compared_without_case(world: World) -> None:
    assert attempt(world.alice.email.upper(), PASSWORD).status_code == 302


def test_a_refusal_never_says_whether_the_address_exists(world: World) -> None:
    Operator.objects.create_user("gone@example.com", PASSWORD, is_active=False)
    bodies = set()
    for email in (world.alice.email, "nobody@example.com", "gone@example.com"):
        password = PASSWORD if email == "gone@example.com" else "wrong"
        answer = attempt(email, password)
        assert answer.status_code == 200
        text = answer.content.decode().replace(email, "…")
        assert WRONG in text
        assert SESSION_KEY not in answer.client.session
        bodies.add(without_csrf(text))
    assert len(bodies) == 1


def without_csrf(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if "csrfmiddlewaretoken" not in line)


def test_an_unknown_address_costs_a_password_hash_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = []
    original = Operator.set_password
    monkeypatch.setattr(
        Operator, "set_password", lambda self, raw: (hashed.append(raw), original(self, raw))
    )
    attempt("nobody@example.com", "a guess")
    assert hashed == ["a guess"]


def test_every_page_but_signing_in_asks_for_it_first(world: World) -> None:
    for path in ("/", "/organizations/", f"/agents/{world.scout.pk}/memories/"):
        answer = Client().get(path)
        assert answer.status_code == 302, path
        assert answer["Location"] == f"{SIGN_IN}?next={path}"


def test_signing_in_leads_where_the_operator_wanted_to_go(world: World) -> None:
    wanted = f"/agents/{world.scout.pk}/memories/"
    assert attempt(world.alice.email, PASSWORD, next=wanted)["Location"] == wanted
    assert attempt(world.alice.email, PASSWORD, next="//evil.example/")["Location"] == "/"


def test_signing_in_makes_a_new_session(world: World) -> None:
    client = Client()
    client.session.save()
    before = client.session.session_key
    attempt(world.alice.email, PASSWORD, client)
    assert client.session.session_key != before


def test_signing_out_takes_a_post(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.alice)
    assert b"Sign out?" in client.get(reverse("account_logout")).content
    assert client.get("/").status_code == 200
    assert client.post(reverse("account_logout"))["Location"] == SIGN_IN
    assert client.get("/").status_code == 302


def test_forms_are_refused_without_a_csrf_token(world: World) -> None:
    client = Client(enforce_csrf_checks=True)
    assert attempt(world.alice.email, PASSWORD, client).status_code == 403
    client.force_login(world.alice)
    assert client.post(reverse("account_logout")).status_code == 403


def test_every_answer_has_the_strict_policy(world: World, sign_in: SignIn) -> None:
    for answer in (Client().get(SIGN_IN), sign_in(world.alice).get("/"), Client().get("/none/")):
        assert answer["Content-Security-Policy"].startswith("default-src 'self';")
        assert "unsafe" not in answer["Content-Security-Policy"]


def test_a_fragment_whose_session_ended_moves_the_whole_page(world: World) -> None:
    answer = Client().get(
        "/memories/",
        {"q": "fridays"},
        headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/memories/?pinned=yes"},
        follow=True,
    )
    assert answer["HX-Redirect"] == f"{SIGN_IN}?next=%2Fmemories%2F%3Fpinned%3Dyes"
    assert answer.content == b""
