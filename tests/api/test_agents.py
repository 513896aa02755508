"""Agents through the management API."""

from typing import Any

import pytest

from agents.models import Agent
from agents.services import create_agent
from agents.stats import agent_stats
from ibex import counts
from ibex.tenancy import tenant
from orgs.models import AuditEvent
from orgs.permissions import Permission
from tests.api.conftest import AGENTS, Api, MakeApi, refused
from tests.api.rows import make_call, make_memory, make_session
from tests.conftest import TESTS, SignIn, World

pytestmark = pytest.mark.usefixtures("api_urls")

NEW = {"name": "Scribe", "slug": "scribe", "memory_scope": "subject"}


def test_an_agent_is_created_with_defaults(world: World, alice: Api) -> None:
    answer = alice.post(AGENTS, NEW)
    assert answer.status_code == 201
    row = answer.json()
    assert row["status"] == "active"
    assert row["memory_scope"] == "subject"
    assert row["config"] == {
        "memory_enabled": True,
        "extraction_enabled": True,
        "max_injected_memories": 20,
        "memory_budget_tokens": 2000,
        "memory_position": "last_user",
        "default_model": "",
    }
    assert alice.get(f"{AGENTS}/{row['id']}").json() == row
    with tenant(world.acme):
        assert Agent.objects.get(pk=row["id"]).org_id == world.acme.pk


def test_an_agent_is_created_with_its_configuration(alice: Api) -> None:
    body = {**NEW, "description": "Writes.", "config": {"memory_budget_tokens": 500}}
    row = alice.post(AGENTS, body).json()
    assert row["description"] == "Writes."
    assert row["config"]["memory_budget_tokens"] == 500
    assert row["config"]["max_injected_memories"] == 20


def test_the_same_agent_is_not_created_twice(world: World, alice: Api) -> None:
    assert alice.post(AGENTS, NEW).status_code == 201
    error = refused(alice.post(AGENTS, NEW), 400, "VALIDATION_ERROR")
    assert error["message"] == "Another agent of this organization has this slug."
    with tenant(world.acme):
        assert Agent.objects.filter(slug="scribe").count() == 1


def test_two_organizations_may_use_the_same_slug(alice: Api, mallory: Api) -> None:
    assert alice.post(AGENTS, NEW).status_code == 201
    assert mallory.post(AGENTS, NEW).status_code == 201


@pytest.mark.parametrize("missing", ["name", "slug", "memory_scope"])
def test_what_has_no_default_must_be_said(alice: Api, missing: str) -> None:
    body = {name: value for name, value in NEW.items() if name != missing}
    assert refused(alice.post(AGENTS, body), 400, "VALIDATION_ERROR")["param"] == missing


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "   "),
        ("name", 5),
        ("name", ["Scribe"]),
        ("name", None),
        ("name", "x" * 256),
        ("slug", "UPPER"),
        ("slug", "with space"),
        ("slug", "x" * 101),
        ("memory_scope", "world"),
        ("config", []),
        ("config", {"max_injected_memories": 201}),
        ("config", {"max_injected_memories": -1}),
        ("config", {"max_injected_memories": "many"}),
        ("config", {"max_injected_memories": 1e30}),
        ("config", {"memory_budget_tokens": 100_001}),
        ("config", {"memory_position": "middle"}),
        ("config", {"memory_enabled": None}),
        ("config", {"default_model": "x" * 257}),
    ],
)
def test_a_wrong_value_is_refused(alice: Api, field: str, value: Any) -> None:
    error = refused(alice.post(AGENTS, {**NEW, field: value}), 400, "VALIDATION_ERROR")
    assert error["param"].split(".")[0] == field


def test_an_agent_is_changed_in_part(world: World, alice: Api) -> None:
    path = f"{AGENTS}/{world.scout.pk}"
    answer = alice.patch(path, {"name": "Ranger", "config": {"extraction_enabled": False}})
    assert answer.status_code == 200
    row = alice.get(path).json()
    assert (row["name"], row["slug"]) == ("Ranger", "scout")
    assert (row["config"]["extraction_enabled"], row["config"]["memory_enabled"]) == (False, True)
    with tenant(world.acme):
        event = AuditEvent.objects.get(action="agent.update")
    assert event.before == {"name": "Scout", "extraction_enabled": True}


def test_changing_nothing_changes_nothing(world: World, alice: Api) -> None:
    assert alice.patch(f"{AGENTS}/{world.scout.pk}", {}).status_code == 200
    with tenant(world.acme):
        assert not AuditEvent.objects.filter(action="agent.update").exists()


@pytest.mark.parametrize("field", ["slug", "memory_scope", "id", "status", "org", "org_id"])
def test_what_never_changes_is_an_unknown_field(world: World, alice: Api, field: str) -> None:
    error = refused(
        alice.patch(f"{AGENTS}/{world.scout.pk}", {field: "x"}), 400, "VALIDATION_ERROR"
    )
    assert error["param"] == field


def test_an_agent_is_paused_and_activated(world: World, alice: Api) -> None:
    path = f"{AGENTS}/{world.scout.pk}"
    assert alice.post(f"{path}/pause").json()["status"] == "paused"
    assert alice.post(f"{path}/pause", {"reason": "Twice"}).json()["status"] == "paused"
    assert alice.post(f"{path}/activate", {}).json()["status"] == "active"


def test_an_archived_agent_is_final(world: World, alice: Api) -> None:
    path = f"{AGENTS}/{world.scout.pk}"
    assert alice.post(f"{path}/archive").json()["status"] == "archived"
    refused(alice.post(f"{path}/activate"), 409, "AGENT_ARCHIVED")
    refused(alice.patch(path, {"name": "Back"}), 409, "AGENT_ARCHIVED")
    assert alice.get(path).json()["status"] == "archived"


def test_agents_are_filtered_by_status(world: World, alice: Api) -> None:
    alice.post(f"{AGENTS}/{world.scout.pk}/pause")
    alice.post(AGENTS, NEW)
    listed = alice.get(f"{AGENTS}?status=paused").json()["items"]
    assert [row["slug"] for row in listed] == ["scout"]
    refused(alice.get(f"{AGENTS}?status=asleep"), 400, "VALIDATION_ERROR")


def test_a_token_of_one_agent_sees_that_agent_alone(world: World, api: MakeApi) -> None:
    other = create_agent(
        org=world.acme, name="Other", slug="other", memory_scope="agent", actor=TESTS
    )
    bound = api(world.token(agent=world.scout))
    assert [row["slug"] for row in bound.get(AGENTS).json()["items"]] == ["scout"]
    assert bound.get(f"{AGENTS}/{world.scout.pk}").status_code == 200
    refused(bound.get(f"{AGENTS}/{other.pk}"), 404, "NOT_FOUND")
    refused(bound.post(AGENTS, NEW), 403, "AGENT_NOT_AUTHORIZED")


def test_the_list_reads_a_fixed_number_of_queries(
    world: World, alice: Api, django_assert_num_queries: Any
) -> None:
    for number in range(5):
        alice.post(AGENTS, {**NEW, "slug": f"scribe-{number}"})
    with django_assert_num_queries(6):  # token; savepoint, tenant, rows, tenant, release
        assert len(alice.get(AGENTS).json()["items"]) == 6


def test_an_operator_works_in_a_browser(world: World, sign_in: SignIn) -> None:
    answer = sign_in(world.alice).post(AGENTS, NEW, content_type="application/json")
    assert answer.status_code == 201
    with tenant(world.acme):
        event = AuditEvent.objects.get(action="agent.create", after__slug="scribe")
    assert (event.actor_type, event.actor_label) == ("operator", world.alice.email)


def test_a_browser_proves_a_change_with_its_csrf_token(world: World) -> None:
    from django.test import Client  # noqa: PLC0415

    client = Client(enforce_csrf_checks=True)
    client.force_login(world.alice)
    client.cookies["csrftoken"] = "x" * 32
    refused(client.post(AGENTS, NEW, content_type="application/json"), 403, "CSRF_FAILED")
    answer = client.post(
        AGENTS, NEW, content_type="application/json", headers={"X-CSRFToken": "x" * 32}
    )
    assert answer.status_code == 201


def test_a_members_role_reads_agents_and_writes_none(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.member("member"))
    assert client.get(AGENTS).status_code == 200
    refused(
        client.post(AGENTS, NEW, content_type="application/json"), 403, "INSUFFICIENT_PERMISSIONS"
    )


def test_a_token_wins_over_a_browsers_session(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.alice)
    weak = world.token(permissions=Permission.MEMORY_READ)
    answer = client.get(AGENTS, headers={"Authorization": f"Bearer {weak}"})
    refused(answer, 403, "INSUFFICIENT_PERMISSIONS")


def test_a_lost_membership_closes_the_api(world: World, sign_in: SignIn) -> None:
    from orgs.models import Membership  # noqa: PLC0415

    client = sign_in(world.alice)
    session = client.session
    session["org_id"] = str(world.elsewhere.pk)
    session.save()
    refused(client.get(AGENTS), 403, "INSUFFICIENT_PERMISSIONS")
    with tenant(world.acme):
        Membership.objects.all().delete()
    session = client.session
    session.pop("org_id")
    session.save()
    refused(client.get(AGENTS), 403, "INSUFFICIENT_PERMISSIONS")


def test_stats_count_calls_and_what_is_held(world: World, alice: Api, mallory: Api) -> None:
    path = f"{AGENTS}/{world.scout.pk}/stats"
    with tenant(world.acme):
        make_memory(world.scout, "Ships on Fridays")
        for status in (200, 200, 429):
            make_call(world.scout, status=status, tokens_in=10, tokens_out=2)
    counted = alice.get(path).json()
    assert (counted["requests"], counted["failed"]) == (3, 1)
    assert (counted["tokens_in"], counted["tokens_out"]) == (30, 6)
    assert counted["memories"] == {"active": 1}
    assert counted["last_request_at"] is not None
    assert counted["days"] == 30
    refused(mallory.get(path), 404, "NOT_FOUND")
    for days in ("0", "91", "x", ""):
        refused(alice.get(f"{path}?days={days}"), 400, "VALIDATION_ERROR")


def test_stats_count_no_further_than_the_cap(
    world: World,
    alice: Api,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: Any,
) -> None:
    monkeypatch.setattr(counts, "CAP", 2)
    with tenant(world.acme):
        for number in range(5):
            make_memory(world.scout, f"Thing {number}")
            make_session(world.scout)
        make_memory(world.scout, "Gone", status="archived")
        with django_assert_num_queries(3):
            agent_stats(world.scout, 30)
    counted = alice.get(f"{AGENTS}/{world.scout.pk}/stats").json()
    assert counted["memories"] == {"active": 3, "archived": 1}  # 3 says more than 2
    assert counted["sessions"] == 3


def test_agents_are_filtered_as_on_the_page(world: World, alice: Api) -> None:
    names = {
        one["name"] for one in alice.get(f"{AGENTS}?name=SCO&not_status=paused").json()["items"]
    }
    assert names == {"Scout"}
    for query in ("colour=red", "status=", "peek=1", "status=active&status=paused"):
        refused(alice.get(f"{AGENTS}?{query}"), 400, "VALIDATION_ERROR")
