"""What agents have learned, through the management API."""

from typing import Any

import pytest

from agents.services import create_agent
from ibex.ids import uuid7
from ibex.tenancy import tenant
from memories.models import Memory, MemoryVersion
from orgs.models import AuditEvent
from tests.api.conftest import AGENTS, Api, MakeApi, refused
from tests.api.rows import make_memory, make_session
from tests.conftest import TESTS, SignIn, World

pytestmark = pytest.mark.usefixtures("api_urls")

PATH = "/api/v1/memories"


def contents(answer: Any) -> set[str]:
    assert answer.status_code == 200, answer.content
    return {row["content"] for row in answer.json()["items"]}


def test_operators_see_every_agents_memories(world: World, alice: Api) -> None:
    other = create_agent(
        org=world.acme, name="Other", slug="other", memory_scope="subject", actor=TESTS
    )
    session = make_session(world.scout)
    make_memory(world.scout, "Of Scout")
    make_memory(other, "Of Ada", subject="ada")
    make_memory(world.scout, "Of a session", visibility="session", session=session)
    make_memory(world.scout, "Deleted", status="deleted")
    make_memory(world.spy, "Of a spy")
    assert contents(alice.get(PATH)) == {"Of Scout", "Of Ada", "Of a session"}
    assert contents(alice.get(f"{AGENTS}/{other.pk}/memories")) == {"Of Ada"}


def test_the_lists_are_filtered(world: World, alice: Api) -> None:
    make_memory(world.scout, "Plain")
    make_memory(world.scout, "Liked", category="preference", subject="ada")
    make_memory(world.scout, "Deleted", status="deleted", subject="ada")
    for path in (PATH, f"{AGENTS}/{world.scout.pk}/memories"):
        assert contents(alice.get(path)) == {"Plain", "Liked"}
        assert contents(alice.get(f"{path}?status=active")) == {"Plain", "Liked"}
        assert contents(alice.get(f"{path}?status=deleted")) == {"Deleted"}
        assert contents(alice.get(f"{path}?category=preference")) == {"Liked"}
        assert contents(alice.get(f"{path}?subject=ada")) == {"Liked"}
        assert contents(alice.get(f"{path}?subject=ada&status=deleted")) == {"Deleted"}
        refused(alice.get(f"{path}?status=asleep"), 400, "VALIDATION_ERROR")
        refused(alice.get(f"{path}?pinned=true"), 400, "VALIDATION_ERROR")


def test_the_orgs_list_is_narrowed_to_an_agent(world: World, alice: Api) -> None:
    make_memory(world.scout, "Of Scout")
    assert contents(alice.get(f"{PATH}?agent={world.scout.pk}")) == {"Of Scout"}
    told = {
        refused(alice.get(f"{PATH}?agent={agent_id}"), 400, "VALIDATION_ERROR")["message"]
        for agent_id in (world.spy.pk, uuid7())
    }
    assert len(told) == 1
    refused(alice.get(f"{PATH}?agent=nonsense"), 400, "VALIDATION_ERROR")


def test_lists_read_a_fixed_number_of_queries(
    world: World, alice: Api, django_assert_num_queries: Any
) -> None:
    for number in range(10):
        make_memory(world.scout, f"Fact {number}")
    alice.get(PATH)
    with django_assert_num_queries(7):  # token; transaction and tenant: 4; rows, labels
        alice.get(PATH)
    with django_assert_num_queries(8):  # and the agent
        alice.get(f"{AGENTS}/{world.scout.pk}/memories")


def test_a_memory_is_shown_whole(world: World, alice: Api) -> None:
    turns = [uuid7()]
    memory = make_memory(
        world.scout, "Ships", tags=["a"], subject="ada", subject_key="k", source_turns=turns
    )
    row = alice.get(f"{PATH}/{memory.pk}").json()
    assert row["labels"] == [{"label": "factual", "confidence": 0.9}]
    assert row["source_turns"] == [str(turn) for turn in turns]
    assert (row["subject"], row["subject_key"], row["tags"]) == ("ada", "k", ["a"])
    assert (row["created_at"], row["valid_until"]) == (
        memory.created_at.isoformat().replace("+00:00", "Z"),
        None,
    )


def test_a_memory_is_edited_with_a_reason(world: World, alice: Api) -> None:
    memory = make_memory(world.scout, "Ships on Fridays", subject="ada")
    body = {"content": "Ships on Mondays", "pinned": True, "usefulness": 0.9, "reason": "Moved"}
    row = alice.patch(f"{PATH}/{memory.pk}", body).json()
    assert (row["content"], row["pinned"], row["usefulness"]) == ("Ships on Mondays", True, 0.9)
    with tenant(world.acme):
        version = MemoryVersion.objects.get(memory=memory)
        assert (version.reason, version.actor_type) == ("Moved", "token")
        event = AuditEvent.objects.get(action="memory.update")
    assert "Mondays" not in str([event.before, event.after])


@pytest.mark.parametrize(
    ("field", "value"),
    [("content", ""), ("usefulness", 2), ("status", "active"), ("reason", "x" * 501)],
)
def test_a_wrong_edit_is_refused(world: World, alice: Api, field: str, value: Any) -> None:
    memory = make_memory(world.scout)
    answer = alice.patch(f"{PATH}/{memory.pk}", {field: value})
    assert refused(answer, 400, "VALIDATION_ERROR")["param"] == field


def test_a_memory_is_archived_deleted_and_restored(world: World, alice: Api) -> None:
    memory = make_memory(world.scout)
    path = f"{PATH}/{memory.pk}"
    assert alice.post(f"{path}/archive", {"reason": "Old"}).json()["status"] == "archived"
    assert alice.post(f"{path}/archive").json()["status"] == "archived"
    assert alice.post(f"{path}/restore").json()["status"] == "active"
    assert alice.call("DELETE", path, {"reason": "Wrong"}).status_code == 204
    assert alice.delete(path).status_code == 204
    assert alice.get(path).json()["status"] == "deleted"
    refused(alice.post(f"{path}/archive"), 409, "MEMORY_STATUS_REFUSED")
    refused(alice.patch(path, {"pinned": True}), 409, "MEMORY_STATUS_REFUSED")
    assert alice.post(f"{path}/restore", {}).json()["status"] == "active"
    with tenant(world.acme):
        reasons = {v.operation: v.reason for v in MemoryVersion.objects.filter(memory=memory)}
        assert reasons["archive"] == "Old"
        assert reasons["delete"] == "Wrong"


def test_what_waits_for_review_is_not_restored(world: World, alice: Api) -> None:
    memory = make_memory(world.scout, status="quarantined")
    refused(alice.post(f"{PATH}/{memory.pk}/restore"), 409, "MEMORY_STATUS_REFUSED")


def test_deleting_what_does_not_exist_is_no_success(alice: Api) -> None:
    refused(alice.delete(f"{PATH}/{uuid7()}"), 404, "NOT_FOUND")


def test_deleting_needs_its_own_permission(world: World, sign_in: SignIn) -> None:
    memory = make_memory(world.scout)
    member = sign_in(world.member("member"))
    archived = member.post(f"{PATH}/{memory.pk}/archive", {}, content_type="application/json")
    assert archived.status_code == 200
    refused(member.delete(f"{PATH}/{memory.pk}"), 403, "INSUFFICIENT_PERMISSIONS")
    assert sign_in(world.member("admin")).delete(f"{PATH}/{memory.pk}").status_code == 204
    with tenant(world.acme):
        assert Memory.objects.get(pk=memory.pk).status == "deleted"
        event = AuditEvent.objects.get(action="memory.delete")
    assert event.actor_type == "operator"


def test_a_token_of_one_agent_lists_that_agent_alone(world: World, api: MakeApi) -> None:
    other = create_agent(
        org=world.acme, name="Other", slug="other", memory_scope="agent", actor=TESTS
    )
    make_memory(world.scout, "Of Scout")
    make_memory(other, "Of Other")
    bound = api(world.token(agent=other))
    assert contents(bound.get(PATH)) == {"Of Other"}
    refused(bound.get(f"{AGENTS}/{world.scout.pk}/memories"), 404, "NOT_FOUND")
    refused(bound.get(f"{PATH}?agent={world.scout.pk}"), 400, "VALIDATION_ERROR")
