"""A forgotten password: a link by mail that works once, and says nothing about who is here."""

import re
import smtplib
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.mail.backends.locmem import EmailBackend
from django.test import Client

from orgs.models import Operator
from tests.conftest import PASSWORD, World
from tests.identity.doors import attempt, is_signed_in, sign_in_by_password

RESET = "/accounts/password/reset/"
NEW = "a quite different long sentence"


def link_in(mail: Any) -> str:
    (link,) = re.findall(r"https?://\S+/password/reset/\S+", mail.body)
    return urlsplit(link).path


def choose(client: Client, link: str, password: str = NEW) -> Any:
    form = client.get(link, follow=True)
    path = form.redirect_chain[-1][0] if form.redirect_chain else link
    return client.post(path, {"password1": password, "password2": password})


def test_a_link_by_mail_changes_the_password_and_signs_others_out(
    world: World, mailbox: list[Any]
) -> None:
    before = sign_in_by_password(world.alice)
    answer = Client().post(RESET, {"email": world.alice.email.upper()})
    assert answer["Location"] == "/accounts/password/reset/done/"
    (mail,) = mailbox
    assert mail.to[0].lower() == world.alice.email
    assert choose(Client(), link_in(mail))["Location"] == "/accounts/password/reset/changed/"
    assert not is_signed_in(before)
    assert attempt(world.alice.email, PASSWORD).status_code == 200
    assert attempt(world.alice.email, NEW).status_code == 302


def test_a_link_works_once(world: World, mailbox: list[Any]) -> None:
    Client().post(RESET, {"email": world.alice.email})
    link = link_in(mailbox[0])
    choose(Client(), link)
    assert b"This link does not work" in Client().get(link, follow=True).content


def test_the_key_leaves_the_address_bar_at_once(world: World, mailbox: list[Any]) -> None:
    Client().post(RESET, {"email": world.alice.email})
    link = link_in(mailbox[0])
    answer = Client().get(link)
    assert answer.status_code == 302
    assert answer["Location"].endswith("-set-password/")


def test_an_address_that_nobody_has_is_answered_alike(world: World, mailbox: list[Any]) -> None:
    known = Client().post(RESET, {"email": world.alice.email})
    unknown = Client().post(RESET, {"email": "nobody@example.com"})
    assert (known.status_code, known["Location"]) == (unknown.status_code, unknown["Location"])
    assert [len(mailbox), mailbox[1].to] == [2, ["nobody@example.com"]]
    assert "reset/" not in mailbox[1].body


def test_a_deactivated_operator_gets_no_link(world: World, mailbox: list[Any]) -> None:
    Operator.objects.filter(pk=world.alice.pk).update(is_active=False)
    Client().post(RESET, {"email": world.alice.email})
    assert "reset/" not in mailbox[0].body


def test_a_weak_password_is_refused(world: World, mailbox: list[Any]) -> None:
    Client().post(RESET, {"email": world.alice.email})
    answer = choose(Client(), link_in(mailbox[0]), "password1234")
    assert b"too common" in answer.content
    assert attempt(world.alice.email, PASSWORD).status_code == 302


def test_too_many_links_are_refused(world: World, mailbox: list[Any]) -> None:
    answers = [Client().post(RESET, {"email": world.alice.email}) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [302] * 5 + [429]
    assert len(mailbox) == 5


def test_a_dead_mail_server_is_said_for_any_address(
    world: World, mailbox: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_self: object, _messages: object) -> int:
        raise smtplib.SMTPServerDisconnected("away")

    monkeypatch.setattr(EmailBackend, "send_messages", refuse)
    for email in (world.alice.email, "nobody@example.com"):
        answer = Client().post(RESET, {"email": email})
        assert answer.status_code == 503
        assert b"not possible right now" in answer.content


def test_an_installation_without_mail_says_so(world: World, settings: Any) -> None:
    settings.SENDS_MAIL = False
    answer = Client().get(RESET)
    assert b"sends no mail" in answer.content
    assert Client().post(RESET, {"email": world.alice.email}).status_code == 200
