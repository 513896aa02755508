"""Members, invitations and the organization through the management API."""

from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client

from ibex.tenancy import tenant
from orgs.models import AuditEvent, Membership
from orgs.permissions import ADMIN, Permission
from tests.api.conftest import Api, MakeApi, refused
from tests.api.rows import make_invitation, make_member
from tests.conftest import World

pytestmark = pytest.mark.usefixtures("api_urls")

PATH = "/api/v1/members"
INVITATIONS = "/api/v1/invitations"
ORGANIZATION = "/api/v1/organization"


def emails(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [row["email"] for row in answer.json()["items"]]


def test_members_are_listed_and_filtered(world: World, alice: Api, mallory: Api) -> None:
    viewer = make_member(world.scout).operator.email
    assert emails(alice.get(PATH)) == [viewer, world.alice.email]
    assert emails(alice.get(f"{PATH}?role=viewer")) == [viewer]
    assert emails(mallory.get(PATH)) == [world.mallory.email]
    refused(alice.get(f"{PATH}?role=emperor"), 400, "VALIDATION_ERROR")


def test_a_member_is_given_a_role_suspended_and_removed(world: World, alice: Api) -> None:
    path = f"{PATH}/{make_member(world.scout).pk}"
    assert alice.patch(path, {"role": "admin", "reason": "Grew"}).json()["role"] == "admin"
    assert alice.post(f"{path}/suspend").json()["state"] == "suspended"
    assert alice.post(f"{path}/suspend").json()["state"] == "suspended"
    assert alice.post(f"{path}/unsuspend").json()["state"] == "active"
    assert alice.delete(path).status_code == 204
    refused(alice.delete(path), 404, "NOT_FOUND")
    refused(alice.patch(path, {"role": "emperor"}), 404, "NOT_FOUND")
    with tenant(world.acme):
        event = AuditEvent.objects.get(action="membership.update")
    assert (event.reason, bool(event.request_id)) == ("Grew", True)


def test_the_last_owner_is_protected(world: World, alice: Api) -> None:
    with tenant(world.acme):
        path = f"{PATH}/{Membership.objects.get(operator=world.alice).pk}"
    refused(alice.patch(path, {"role": "viewer"}), 409, "LAST_OWNER_PROTECTED")
    refused(alice.post(f"{path}/suspend"), 409, "LAST_OWNER_PROTECTED")
    refused(alice.delete(path), 409, "LAST_OWNER_PROTECTED")


def test_no_role_is_given_or_taken_beyond_ones_reach(world: World, api: MakeApi) -> None:
    admin = api(world.token(permissions=ADMIN))
    owner, viewer = make_member(world.scout, role="owner"), make_member(world.scout)
    for answer in (
        admin.patch(f"{PATH}/{viewer.pk}", {"role": "owner"}),
        admin.patch(f"{PATH}/{owner.pk}", {"role": "viewer"}),
        admin.delete(f"{PATH}/{owner.pk}"),
        admin.post(INVITATIONS, {"email": "x@example.com", "role": "owner"}),
    ):
        refused(answer, 403, "INSUFFICIENT_PERMISSIONS")
    few = api(world.token(permissions=Permission.USER_MANAGE))
    answer = few.patch(f"{PATH}/{viewer.pk}", {"role": "member"})
    refused(answer, 403, "INSUFFICIENT_PERMISSIONS")


def test_somebody_is_invited_again_and_no_more(
    world: World, alice: Api, mallory: Api, settings: Any
) -> None:
    settings.SENDS_MAIL, settings.CONSOLE_URL = False, "https://console.example"
    said = {"email": "x@example.com", "role": "viewer"}
    answer = alice.post(INVITATIONS, said)
    assert answer.status_code == 201
    row = answer.json()
    assert row["link"].startswith("https://console.example/invitations/")
    refused(alice.post(INVITATIONS, said), 409, "ALREADY_INVITED")
    said["email"] = world.alice.email
    refused(alice.post(INVITATIONS, said), 409, "ALREADY_MEMBER")
    path = f"{INVITATIONS}/{row['id']}"
    again = alice.post(f"{path}/resend").json()
    assert again["link"] != row["link"]
    refused(mallory.post(f"{path}/withdraw"), 404, "NOT_FOUND")
    assert emails(alice.get(INVITATIONS)) == ["x@example.com"]
    assert alice.post(f"{path}/withdraw").json()["state"] == "withdrawn"
    assert emails(alice.get(INVITATIONS)) == []
    refused(alice.post(f"{path}/resend"), 404, "INVITATION_CLOSED")


@pytest.mark.parametrize(
    "wrong", [{"email": "x"}, {"role": "emperor"}, {"email": None}, {"colour": "red"}]
)
def test_a_wrong_invitation_is_named(world: World, alice: Api, wrong: dict[str, Any]) -> None:
    said = {"email": "x@example.com", "role": "viewer", **wrong}
    error = refused(alice.post(INVITATIONS, said), 400, "VALIDATION_ERROR")
    assert set(error["field_errors"]) == set(wrong)


def test_for_a_token_of_one_agent_there_are_no_members(world: World, api: MakeApi) -> None:
    bound = api(world.token(agent=world.scout))
    make_invitation(world.scout)
    assert emails(bound.get(PATH)) == []
    assert emails(bound.get(INVITATIONS)) == []
    said = {"email": "x@example.com", "role": "viewer"}
    refused(bound.post(INVITATIONS, said), 403, "AGENT_NOT_AUTHORIZED")
    refused(bound.patch(ORGANIZATION, {"rpm": 1}), 403, "AGENT_NOT_AUTHORIZED")


def test_settings_are_read_and_changed(world: World, alice: Api, mallory: Api) -> None:
    row = alice.get(ORGANIZATION).json()
    assert (row["id"], row["data_retention_days"]) == (str(world.acme.pk), 90)
    said = {"data_retention_days": 30, "monthly_token_budget": None, "reason": "Less"}
    assert alice.patch(ORGANIZATION, said).json()["data_retention_days"] == 30
    assert mallory.get(ORGANIZATION).json()["data_retention_days"] == 90
    assert alice.patch(ORGANIZATION, {"name": "Acme II"}).json()["data_retention_days"] == 30
    assert alice.get(ORGANIZATION).json()["name"] == "Acme II"
    with tenant(world.acme):
        event = AuditEvent.objects.get(action="organization.update", reason="Less")
    assert (event.reason, event.before["data_retention_days"]) == ("Less", 90)
    for wrong in ({"data_retention_days": 0}, {"rpm": -1}, {"name": ""}, {"slug": "other"}):
        refused(alice.patch(ORGANIZATION, wrong), 400, "VALIDATION_ERROR")


def test_the_list_reads_a_fixed_number_of_queries(
    world: World, alice: Api, django_assert_num_queries: Any
) -> None:
    alice.get(PATH)
    for _ in range(2):
        with django_assert_num_queries(6):
            alice.get(PATH)
        for _ in range(3):
            make_member(world.scout)


def test_a_member_is_signed_out_by_who_reaches_them(
    world: World, api: MakeApi, alice: Api, mallory: Api
) -> None:
    owner, viewer = make_member(world.scout, role="owner"), make_member(world.scout)
    browsers = {row.pk: Client() for row in (owner, viewer)}
    for row in (owner, viewer):
        browsers[row.pk].force_login(row.operator)
        UserSession.objects.create(
            user=row.operator,
            ip="203.0.113.7",
            session_key=browsers[row.pk].session.session_key,
            user_agent="tests",
        )
    admin, key = api(world.token(permissions=ADMIN)), settings.SESSION_COOKIE_NAME
    refused(admin.post(f"{PATH}/{owner.pk}/sign-out"), 403, "INSUFFICIENT_PERMISSIONS")
    refused(mallory.post(f"{PATH}/{viewer.pk}/sign-out"), 404, "NOT_FOUND")
    assert Session.objects.filter(pk=browsers[viewer.pk].cookies[key].value).exists()
    answer = admin.post(f"{PATH}/{viewer.pk}/sign-out", {"reason": "Lost laptop"})
    assert (answer.status_code, answer.json()["id"]) == (200, str(viewer.pk))
    assert not Session.objects.filter(pk=browsers[viewer.pk].cookies[key].value).exists()
    assert Session.objects.filter(pk=browsers[owner.pk].cookies[key].value).exists()
    with tenant(world.acme):
        (event,) = AuditEvent.objects.filter(action="membership.sign_out")
    assert (event.reason, event.after) == ("Lost laptop", {"browsers": 1})
