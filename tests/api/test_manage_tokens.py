"""Tokens through the management API: nobody grants what they do not hold."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents.services import create_agent
from ibex.ids import uuid7
from ibex.tenancy import tenant
from orgs.models import AuditEvent
from orgs.permissions import ALL, Permission
from tests.api.conftest import Api, MakeApi, refused
from tests.api.rows import make_token
from tests.conftest import TESTS, World

pytestmark = pytest.mark.usefixtures("api_urls")

PATH = "/api/v1/tokens"
MAKES = Permission.TOKEN_CREATE | Permission.MEMORY_READ


def new(**fields: Any) -> dict[str, Any]:
    return {"name": "Support bot", "permissions": ["MemoryRead"], **fields}


def names(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [row["name"] for row in answer.json()["items"]]


def test_a_new_token_works_and_its_secret_is_shown_this_once(
    world: World, alice: Api, api: MakeApi
) -> None:
    answer = alice.post(PATH, new(permissions=["AgentRead", "TokenCreate"], reason="A bot"))
    assert answer.status_code == 201
    row = answer.json()
    assert answer["Cache-Control"] == "no-store"
    assert (row["state"], row["permissions"]) == ("active", ["AgentRead", "TokenCreate"])
    mine = api(row["token"])
    assert mine.get("/api/v1/agents").status_code == 200
    shown = mine.get(f"{PATH}/{row['id']}").json()
    assert "token" not in shown
    assert row["token"] not in alice.get(PATH).content.decode()
    with tenant(world.acme):
        event = AuditEvent.objects.get(action="token.create", target_id=row["id"])
    assert (event.reason, event.after["permissions"]) == ("A bot", ["AgentRead", "TokenCreate"])
    assert event.request_id == answer["X-Request-ID"]
    assert row["token"].split("_")[-1] not in str(event.after)


def test_nobody_grants_what_they_do_not_hold(world: World, api: MakeApi) -> None:
    maker = api(world.token(permissions=MAKES))
    refused(maker.post(PATH, new(permissions=["Erase"])), 403, "INSUFFICIENT_PERMISSIONS")
    assert maker.post(PATH, new()).status_code == 201


def test_a_token_of_one_agent_makes_and_sees_only_that_agents(world: World, api: MakeApi) -> None:
    other = create_agent(org=world.acme, name="O", slug="o", memory_scope="agent", actor=TESTS)
    theirs = make_token(other)
    maker = api(world.token(agent=world.scout))
    refused(maker.post(PATH, new()), 403, "AGENT_NOT_AUTHORIZED")
    refused(maker.post(PATH, new(agent_id=str(other.pk))), 400, "VALIDATION_ERROR")
    row = maker.post(PATH, new(agent_id=str(world.scout.pk))).json()
    assert row["agent_id"] == str(world.scout.pk)
    assert str(theirs.pk) not in maker.get(PATH).content.decode()
    refused(maker.get(f"{PATH}/{theirs.pk}"), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": 7},
        {"permissions": []},
        {"permissions": ["Nonsense"]},
        {"permissions": "MemoryRead"},
        {"allowed_ips": ["not an address"]},
        {"allowed_ips": ["192.0.2.0/99"]},
        {"allowed_ips": ["192.0.2.1"] * 51},
        {"expires_at": "2001-01-01T00:00:00Z"},
        {"expires_at": "soon"},
        {"agent_id": str(uuid7())},
        {"colour": "red"},
    ],
)
def test_a_wrong_value_is_named(world: World, alice: Api, wrong: dict[str, Any]) -> None:
    error = refused(alice.post(PATH, new(**wrong)), 400, "VALIDATION_ERROR")
    assert {name.split(".")[0] for name in error["field_errors"]} == set(wrong)
    assert names(alice.get(f"{PATH}?name=support")) == []


def test_every_wrong_address_is_named(world: World, alice: Api) -> None:
    answer = alice.post(PATH, new(allowed_ips=["192.0.2.7", "nonsense", "300.1.1.1"]))
    sentences = refused(answer, 400, "VALIDATION_ERROR")["field_errors"]["allowed_ips"]
    assert len(sentences) == 2
    row = alice.post(PATH, new(allowed_ips=["192.0.2.7/24", "192.0.2.9/24", "2001:db8::1"])).json()
    assert row["allowed_ips"] == ["192.0.2.0/24", "2001:db8::1/128"]


def test_tokens_are_filtered_by_name_state_and_agent(world: World, alice: Api) -> None:
    soon = timezone.now() + timedelta(days=1)
    alice.post(PATH, new(name="Living", expires_at=soon.isoformat()))
    gone = alice.post(PATH, new(name="Gone")).json()
    alice.post(f"{PATH}/{gone['id']}/revoke")
    alice.post(PATH, new(name="Of Scout", agent_id=str(world.scout.pk)))
    assert names(alice.get(f"{PATH}?state=revoked")) == ["Gone"]
    assert names(alice.get(f"{PATH}?state=expired")) == []
    assert names(alice.get(f"{PATH}?name=liv")) == ["Living"]
    assert names(alice.get(f"{PATH}?agent={world.scout.pk}")) == ["Of Scout"]
    refused(alice.get(f"{PATH}?state=lost"), 400, "VALIDATION_ERROR")


def test_a_revoked_token_is_refused_and_revoking_twice_is_one_event(
    world: World, alice: Api, api: MakeApi
) -> None:
    row = alice.post(PATH, new(permissions=["AgentRead"])).json()
    for _ in range(2):
        answer = alice.post(f"{PATH}/{row['id']}/revoke", {"reason": "Leaked"})
        assert answer.json()["state"] == "revoked"
    refused(api(row["token"]).get("/api/v1/agents"), 401, "INVALID_TOKEN")
    with tenant(world.acme):
        (event,) = AuditEvent.objects.filter(action="token.revoke", target_id=row["id"])
    assert event.reason == "Leaked"


def test_another_orgs_token_is_missing(world: World, alice: Api, mallory: Api) -> None:
    token = make_token(world.scout)
    refused(mallory.post(f"{PATH}/{token.pk}/revoke"), 404, "NOT_FOUND")
    assert alice.get(f"{PATH}/{token.pk}").json()["state"] == "active"


def test_to_create_is_not_to_revoke(world: World, api: MakeApi) -> None:
    token = make_token(world.scout)
    maker = api(world.token(permissions=ALL & ~Permission.TOKEN_REVOKE))
    refused(maker.post(f"{PATH}/{token.pk}/revoke"), 403, "INSUFFICIENT_PERMISSIONS")


def test_the_list_reads_a_fixed_number_of_queries(
    world: World, alice: Api, django_assert_num_queries: Any
) -> None:
    alice.get(PATH)
    for _ in range(2):
        with django_assert_num_queries(6):
            alice.get(PATH)
        for _ in range(3):
            make_token(world.scout)
