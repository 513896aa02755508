"""Who gets in: tokens, and what every kind of bad one is told."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.test import RequestFactory

from ibex.ids import uuid7
from ibex.tenancy import tenant
from orgs.authentication import is_allowed, read_token
from orgs.credentials import new_token
from orgs.models import AuditEvent, Organization, Token
from orgs.permissions import Permission
from orgs.services import revoke_token
from tests.api.conftest import AGENTS, Api, MakeApi, refused
from tests.conftest import TESTS, World

pytestmark = pytest.mark.usefixtures("api_urls")


def test_a_token_opens_the_api(world: World, alice: Api) -> None:
    answer = alice.get(AGENTS)
    assert answer.status_code == 200
    assert [row["id"] for row in answer.json()["items"]] == [str(world.scout.pk)]


def test_a_token_may_come_as_an_api_key(world: World, api: MakeApi) -> None:
    anonymous = api()
    assert anonymous.get(AGENTS, X_Api_Key=world.token()).status_code == 200


def test_without_a_token_nothing_opens(world: World, api: MakeApi) -> None:
    answer = api().get(AGENTS)
    refused(answer, 401, "MISSING_TOKEN")
    assert answer["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YWxpY2U6c2VjcmV0"])
def test_a_header_that_holds_no_token_is_a_missing_token(
    world: World, api: MakeApi, header: str
) -> None:
    refused(api().get(AGENTS, Authorization=header), 401, "MISSING_TOKEN")


def bad_tokens(world: World) -> dict[str, str]:
    expired = world.expired_token()
    revoked = world.token()
    revoke_token(token=world.token_row(revoked), actor=TESTS)
    return {
        "malformed": "not-a-token",
        "cut short": world.token()[:-1],
        "with a NUL": "ibex_pat_\x00",
        "not ASCII": "ibex_pat_ä",
        "unknown": new_token(uuid7()),
        "expired": expired,
        "revoked": revoked,
    }


def test_every_bad_token_is_refused_in_the_same_words(world: World, api: MakeApi) -> None:
    answers = {}
    for kind, token in bad_tokens(world).items():
        error = refused(api(token).get(AGENTS), 401, "INVALID_TOKEN")
        answers[kind] = {k: v for k, v in error.items() if k not in {"request_id", "timestamp"}}
        assert token not in str(error)
    assert all(answer == answers["unknown"] for answer in answers.values())


def test_every_bad_token_costs_the_same_one_query(
    world: World, api: MakeApi, django_assert_num_queries
) -> None:
    for token in bad_tokens(world).values():
        with django_assert_num_queries(1):
            api(token).get(AGENTS)


def test_a_token_works_until_the_moment_it_expires(world: World, api: MakeApi) -> None:
    now = datetime.now(UTC)
    token = api(world.token(expires_at=now + timedelta(hours=1)))
    assert token.get(AGENTS).status_code == 200
    with time_machine.travel(now + timedelta(hours=1), tick=False):
        refused(token.get(AGENTS), 401, "INVALID_TOKEN")


def test_a_suspended_organization_is_not_served(world: World, alice: Api) -> None:
    with tenant(world.acme):
        Organization.objects.filter(pk=world.acme.pk).update(status="suspended")
    refused(alice.get(AGENTS), 403, "ORG_SUSPENDED")


def test_a_token_is_refused_from_an_address_it_does_not_name(world: World, api: MakeApi) -> None:
    refused(api(world.token(allowed_ips=["10.1.0.0/16"])).get(AGENTS), 403, "IP_NOT_ALLOWED")
    assert api(world.token(allowed_ips=["127.0.0.0/8"])).get(AGENTS).status_code == 200


@pytest.mark.parametrize(
    ("ip", "allowed"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("10.2.0.1", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("not an address", False),
        ("", False),
        (None, False),
    ],
)
def test_addresses_are_compared_as_networks(ip: str | None, allowed: bool) -> None:
    assert is_allowed(ip, ["10.1.0.0/16", "2001:db8::/32"]) is allowed


def test_the_bearer_token_wins_over_the_api_key() -> None:
    headers = {"Authorization": "bearer one", "X-Api-Key": "two"}
    assert read_token(RequestFactory().get("/", headers=headers)) == "one"
    assert read_token(RequestFactory().get("/", headers={"X-Api-Key": " two "})) == "two"


def test_the_last_use_of_a_token_is_written_at_most_once_a_minute(
    world: World, api: MakeApi
) -> None:
    text = world.token()
    api(text).get(AGENTS)
    first = world.token_row(text).last_used_at
    assert first is not None
    api(text).get(AGENTS)
    assert world.token_row(text).last_used_at == first


def test_another_process_does_not_write_the_last_use_again(
    world: World, api: MakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = world.token()
    api(text).get(AGENTS)
    first = world.token_row(text).last_used_at
    monkeypatch.setattr("orgs.authentication._touched", {})
    api(text).get(AGENTS)
    assert world.token_row(text).last_used_at == first
    with tenant(world.acme):
        Token.objects.update(last_used_at=first - timedelta(seconds=61))
    monkeypatch.setattr("orgs.authentication._touched", {})
    api(text).get(AGENTS)
    assert world.token_row(text).last_used_at >= first


def test_a_refused_request_is_not_a_use(world: World, api: MakeApi) -> None:
    text = world.token(allowed_ips=["10.1.0.0/16"])
    api(text).get(AGENTS)
    assert world.token_row(text).last_used_at is None


def test_a_missing_permission_is_named(world: World, api: MakeApi) -> None:
    error = refused(
        api(world.token(permissions=Permission.MEMORY_READ)).get(AGENTS),
        403,
        "INSUFFICIENT_PERMISSIONS",
    )
    assert "AGENT_READ" in error["message"]


def test_audit_names_the_token_the_address_and_the_request(world: World, api: MakeApi) -> None:
    text = world.token()
    answer = api(text).post(f"{AGENTS}/{world.scout.pk}/pause", {"reason": "Too chatty"})
    assert answer.status_code == 200
    with tenant(world.acme):
        event = AuditEvent.objects.get(action="agent.paused")
    assert (event.actor_type, event.actor_id) == ("token", world.token_row(text).pk)
    assert text.startswith(event.actor_label)
    assert len(event.actor_label) < 20
    assert (event.ip, event.reason) == ("127.0.0.1", "Too chatty")
    assert event.request_id == answer["X-Request-ID"]
