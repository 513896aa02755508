"""Members, invitations and settings in the console."""

import re
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.core import mail
from django.test import Client
from django.utils import timezone

from ibex.tenancy import tenant
from orgs.models import AuditEvent, Invitation, Membership, Operator, Organization
from tests.api.rows import make_invitation, make_member, make_token
from tests.conftest import PASSWORD, SignIn, World
from tests.console.forms import fields_in, filled

PATH = "/settings/members/"


@pytest.fixture(autouse=True)
def no_mail(settings: Any) -> None:
    settings.SENDS_MAIL = False
    settings.DEVELOPMENT = False


def role_of(world: World, operator: Operator) -> str | None:
    with tenant(world.acme):
        found = Membership.objects.filter(operator=operator).first()
        return found and found.role


def link_in(answer: Any) -> str:
    (path,) = set(re.findall(r"/invitations/[-\w]+/", answer.content.decode()))
    return str(path)


def test_the_page_lists_members_and_invitations(world: World, sign_in: SignIn) -> None:
    member, invitation = make_member(world.scout), make_invitation(world.scout)
    page = sign_in(world.alice).get(PATH).content.decode()
    for words in (world.alice.email, member.operator.email, invitation.email, "none</span>"):
        assert words in page
    page = sign_in(world.mallory).get(PATH).content.decode()
    assert member.operator.email not in page
    assert invitation.email not in page
    answer = sign_in(world.alice).get(f"{PATH}?role=viewer").content.decode()
    assert member.operator.email in answer
    assert f'id="member-{world.alice.pk}"' not in answer


def test_a_newcomer_is_invited_and_joins(world: World, sign_in: SignIn) -> None:
    email = "newcomer@example.com"
    answer = sign_in(world.alice).post(f"{PATH}invite/", {"email": email, "role": "member"})
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    path = link_in(answer)
    newcomer = Client()
    page = newcomer.get(path)
    assert page["Referrer-Policy"] == "no-referrer"
    assert b"Join <bdi>Acme</bdi>" in page.content
    weak = newcomer.post(path, {"name": "N", "password": "short"})
    assert weak.status_code == 400
    assert b"too short" in weak.content
    assert newcomer.post(path, {"name": "N", "password": PASSWORD}).status_code == 302
    assert role_of(world, Operator.objects.get(email=email)) == "member"
    again = newcomer.get(path)
    assert again.status_code == 404
    assert b"not valid any more" in again.content


def test_an_operator_joins_after_signing_in(world: World, sign_in: SignIn) -> None:
    said = {"email": world.mallory.email, "role": "viewer"}
    path = link_in(sign_in(world.alice).post(f"{PATH}invite/", said))
    assert b"Sign in to join" in Client().get(path).content
    assert Client().post(path, {"name": "M", "password": PASSWORD}).status_code == 409
    assert b"Sign out" in sign_in(world.alice).get(path).content
    assert sign_in(world.alice).post(path).status_code == 409
    client = sign_in(world.mallory)
    assert b"Join Acme" in client.get(path).content
    assert client.post(path)["Location"] == "/"
    assert role_of(world, world.mallory) == "viewer"


def test_where_mail_goes_out_the_link_is_not_shown(
    world: World, sign_in: SignIn, settings: Any
) -> None:
    settings.SENDS_MAIL = True
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    settings.CONSOLE_URL = "https://console.example/"
    said = {"email": "newcomer@example.com", "role": "viewer"}
    answer = sign_in(world.alice).post(f"{PATH}invite/", said)
    assert (answer.status_code, answer["Location"]) == (302, PATH)
    (sent,) = mail.outbox
    assert "https://console.example/invitations/" in sent.body


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"email": "no address", "role": "viewer"}, 400),
        ({"email": "x@example.com", "role": "emperor"}, 400),
        ({"email": "", "role": "viewer"}, 400),
    ],
)
def test_a_wrong_invitation_is_said(
    world: World, sign_in: SignIn, said: dict[str, str], status: int
) -> None:
    answer = sign_in(world.alice).post(f"{PATH}invite/", said)
    assert answer.status_code == status
    with tenant(world.acme):
        assert not Invitation.objects.exists()


def test_a_second_invitation_and_one_of_a_member_are_refused(world: World, sign_in: SignIn) -> None:
    client, said = sign_in(world.alice), {"email": "x@example.com", "role": "viewer"}
    assert client.post(f"{PATH}invite/", said).status_code == 200
    assert client.post(f"{PATH}invite/", said).status_code == 409
    said["email"] = world.alice.email
    assert b"a member already" in client.post(f"{PATH}invite/", said).content


def test_an_invitation_is_sent_again_and_withdrawn(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.alice)
    old = link_in(client.post(f"{PATH}invite/", {"email": "x@example.com", "role": "viewer"}))
    with tenant(world.acme):
        invitation = Invitation.objects.get()
    path = f"/settings/invitations/{invitation.pk}/"
    new = link_in(client.post(f"{path}resend/"))
    assert Client().get(old).status_code == 404
    assert Client().get(new).status_code == 200
    assert sign_in(world.mallory).post(f"{path}withdraw/").status_code == 404
    client.post(f"{path}withdraw/")
    assert Client().get(new).status_code == 404
    assert b"not valid any more" in client.post(f"{path}resend/", follow=True).content


def test_a_member_is_given_a_role_suspended_let_in_and_removed(
    world: World, sign_in: SignIn
) -> None:
    client, row = sign_in(world.alice), make_member(world.scout)
    path, theirs = f"{PATH}{row.pk}/", sign_in(row.operator)
    make_token(world.scout)
    client.post(f"{path}role/", {"role": "admin", "reason": "Grew"})
    assert role_of(world, row.operator) == "admin"
    assert theirs.get(PATH).status_code == 200
    client.post(f"{path}suspend/")
    assert theirs.get(PATH).status_code == 302
    client.post(f"{path}unsuspend/")
    assert theirs.get(PATH).status_code == 200
    assert b"from Acme?" in client.get(f"{path}remove/").content
    assert client.post(f"{path}remove/").status_code == 400
    assert client.post(f"{path}remove/", {"reason": "Left"}).status_code == 302
    assert role_of(world, row.operator) is None
    with tenant(world.acme):
        event = AuditEvent.objects.get(action="membership.update")
    assert (event.reason, event.actor_id, bool(event.request_id)) == ("Grew", world.alice.pk, True)


def test_the_last_owner_is_told_why_not(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.alice)
    with tenant(world.acme):
        path = f"{PATH}{Membership.objects.get(operator=world.alice).pk}/"
    for action, said in (("role/", {"role": "viewer"}), ("remove/", {"reason": "x"})):
        answer = client.post(f"{path}{action}", said, follow=True)
        assert b"An organization keeps at least one owner." in answer.content
    assert b"cannot suspend yourself" in client.post(f"{path}suspend/", follow=True).content
    assert role_of(world, world.alice) == "owner"


def test_an_admin_cannot_touch_an_owner(world: World, sign_in: SignIn) -> None:
    client, owner = sign_in(world.member("admin")), make_member(world.scout, role="owner")
    page = client.get(PATH).content.decode()
    assert "does not reach an owner" in page
    assert '<option value="owner"' not in page
    for action, said in (
        ("role/", {"role": "viewer"}),
        ("suspend/", {}),
        ("remove/", {"reason": "x"}),
    ):
        answer = client.post(f"{PATH}{owner.pk}/{action}", said, follow=True)
        assert b"You do not hold all that owner may do" in answer.content
    assert role_of(world, owner.operator) == "owner"


@pytest.mark.parametrize("action", ["role/", "suspend/", "unsuspend/", "remove/"])
def test_another_orgs_member_is_missing(world: World, sign_in: SignIn, action: str) -> None:
    row = make_member(world.scout)
    said = {"role": "admin", "reason": "x"}
    path = f"{PATH}{row.pk}/{action}"
    assert sign_in(world.mallory).post(path, said).status_code == 404
    assert role_of(world, row.operator) == "viewer"
    assert sign_in(world.alice).post(path, said).status_code == 302


@pytest.mark.parametrize("role", ["member", "viewer"])
def test_members_and_viewers_manage_nobody(world: World, sign_in: SignIn, role: str) -> None:
    client, row = sign_in(world.member(role)), make_member(world.scout)
    assert client.get(PATH).status_code == 403
    assert client.get("/settings/organization/").status_code == 403
    assert client.post(f"{PATH}invite/", {"email": "x@y.z", "role": "viewer"}).status_code == 403
    assert client.post(f"{PATH}{row.pk}/role/", {"role": "owner"}).status_code == 403
    assert Client().get(PATH).status_code == 302


SETTINGS = "/settings/organization/"


def organization(world: World) -> Organization:
    with tenant(world.acme):
        return Organization.objects.get(pk=world.acme.pk)


def test_settings_are_changed_and_audited(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.alice)
    changes = {"name": "Acme II", "data_retention_days": "30", "memory_extraction_enabled": None}
    said = filled(client, SETTINGS, **changes, reason="Less")
    assert client.post(SETTINGS, said).status_code == 302
    with tenant(world.acme):
        event = AuditEvent.objects.get(action="organization.update")
    org = organization(world)
    assert (org.name, org.data_retention_days, org.rpm) == ("Acme II", 30, 60_000)
    assert org.memory_extraction_enabled is False
    assert set(event.after) == set(changes)
    assert (event.before["data_retention_days"], event.after["data_retention_days"]) == (90, 30)
    assert event.reason == "Less"
    answer = client.post(SETTINGS, filled(client, SETTINGS, data_retention_days="0"))
    assert answer.status_code == 400
    with tenant(world.elsewhere):
        assert Organization.objects.get(pk=world.elsewhere.pk).name == "Elsewhere"


def test_an_old_form_takes_no_setting_back_and_shows_what_changed(
    world: World, sign_in: SignIn
) -> None:
    client = sign_in(world.alice)
    mine = filled(client, SETTINGS, name="Mine", reason="A better name")
    assert client.post(SETTINGS, filled(client, SETTINGS, mfa_required="on")).status_code == 302
    with tenant(world.acme):
        Organization.objects.update(mfa_required=False, monthly_token_budget=5)  # same version
    refused = client.post(SETTINGS, mine)
    text = refused.content.decode()
    assert refused.status_code == 409
    assert "<dt>Tokens a month, all agents</dt>" in text
    assert "<dt>Days that sessions are kept</dt>" not in text
    assert organization(world).name == "Acme"
    again = fields_in(refused.content, SETTINGS)
    assert (again["name"], again["reason"]) == ("Mine", "A better name")
    assert again["monthly_token_budget"] == "5"
    assert client.post(SETTINGS, again).status_code == 302
    assert (organization(world).name, organization(world).monthly_token_budget) == ("Mine", 5)
    assert client.post(SETTINGS, again).status_code == 409  # the same request twice


def test_settings_of_another_org_are_out_of_reach(world: World, sign_in: SignIn) -> None:
    sent = filled(sign_in(world.alice), SETTINGS, name="Taken")
    assert sign_in(world.mallory).post(SETTINGS, sent).status_code == 409  # it is not her version
    assert organization(world).name == "Acme"


def test_the_list_reads_a_fixed_number_of_queries(
    world: World, sign_in: SignIn, django_assert_num_queries: Any
) -> None:
    client = sign_in(world.alice)
    client.get(PATH)
    for _ in range(2):
        with django_assert_num_queries(14):
            client.get(PATH)
        for _ in range(3):
            make_member(world.scout)
            make_invitation(world.scout)


LAST = 'disabled title="An organization keeps at least one owner."'


def test_the_last_owner_is_kept_and_the_buttons_say_why(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.alice)
    make_member(world.scout, "viewer")
    text = client.get(PATH).content.decode()
    assert text.count(LAST) == 4  # the role, its button, suspend, leave
    with tenant(world.acme):
        mine = Membership.objects.get(operator=world.alice)
    assert f'href="{PATH}{mine.pk}/remove/"' not in text
    make_member(world.scout, "owner")
    text = client.get(PATH).content.decode()
    assert LAST not in text
    assert f'href="{PATH}{mine.pk}/remove/"' in text
    assert 'disabled title="You cannot suspend yourself."' in text


def test_a_suspended_owner_is_no_second_owner(world: World, sign_in: SignIn) -> None:
    row = make_member(world.scout, "owner")
    with tenant(world.acme):
        Membership.objects.filter(pk=row.pk).update(suspended_at=timezone.now())
    assert LAST in sign_in(world.alice).get(PATH).content.decode()


def test_one_member_has_a_page_and_a_fragment_for_the_list(world: World, sign_in: SignIn) -> None:
    member = make_member(world.scout)
    client, address = sign_in(world.alice), f"{PATH}{member.pk}/"
    assert f'data-peek="{address}"' in client.get(PATH).content.decode()
    page = client.get(address).content.decode()
    part = client.get(address, headers={"HX-Request": "true"}).content.decode()
    assert ("<html" in page, "<html" in part) == (True, False)
    for text in (page, part):
        for words in (member.operator.email, "nowhere", "Locked out</dt><dd>no"):
            assert words in text
    sign_in(member.operator).get("/settings/me/")  # now there is one
    lock_out(member.operator.email)
    text = client.get(address).content.decode()
    assert "in 1 browser<" in text
    assert "203.0.113.9" in text
    assert sign_in(world.mallory).get(address).status_code == 404


def lock_out(email: str) -> None:
    AccessAttempt.objects.create(
        username=email,
        ip_address="203.0.113.9",
        failures_since_start=5,
        attempt_time=timezone.now(),
    )
