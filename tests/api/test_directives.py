"""Directives through the management API."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents.models import Agent
from agents.services import archive_agent, create_agent
from directives.models import DirectiveDraft, DirectiveVersion
from directives.services import push_directive
from ibex.ids import uuid7
from ibex.tenancy import tenant
from orgs.models import AuditEvent
from orgs.permissions import Permission
from tests.api.conftest import AGENTS, Api, MakeApi, refused
from tests.api.rows import make_call, make_session
from tests.conftest import TESTS, SignIn, World
from tests.directives.test_push_status import acknowledge, connect_proxy, push

pytestmark = pytest.mark.usefixtures("api_urls")

READ, WRITE, PUSH = (
    Permission.DIRECTIVE_READ,
    Permission.DIRECTIVE_WRITE,
    Permission.DIRECTIVE_PUSH,
)


def path(world: World, more: str = "") -> str:
    return f"{AGENTS}/{world.scout.pk}/directive{more}"


def new(content: str = "Be kind.", base: int = 0, **more: Any) -> dict[str, Any]:
    return {"content": content, "base_version": base, "reason": "Asked for", **more}


def agent_of(world: World) -> Agent:
    """Make another agent of the organization."""
    return create_agent(
        org=world.acme, name="Other", slug="other", memory_scope="agent", actor=TESTS
    )


def count(world: World) -> int:
    with tenant(world.acme):
        return DirectiveVersion.objects.count()


def test_there_is_no_directive_before_the_first_push(world: World, alice: Api) -> None:
    assert alice.get(path(world)).json() == {
        "agent_id": str(world.scout.pk),
        "injection_mode": "system_first",
        "active_version": None,
    }
    assert alice.get(path(world, "/versions")).json() == {"items": [], "next_cursor": None}


def test_a_push_makes_the_active_version(world: World, alice: Api) -> None:
    answer = alice.post(path(world, "/push"), new(injection_mode="system_append"))
    assert answer.status_code == 200
    version = answer.json()
    assert (version["number"], version["content"], version["size"]) == (1, "Be kind.", 8)
    assert version["injection_mode"] == "system_append"
    assert (version["reason"], version["rolled_back_from"]) == ("Asked for", None)
    assert version["created_by_id"] is None
    assert version["author"].startswith("ibex_pat_")
    shown = alice.get(path(world)).json()
    assert shown["active_version"] == version
    assert shown["injection_mode"] == "system_append"


def test_an_operators_push_names_the_operator(world: World, sign_in: SignIn) -> None:
    answer = sign_in(world.alice).post(path(world, "/push"), new(), "application/json")
    assert answer.json()["created_by_id"] == str(world.alice.pk)
    assert answer.json()["author"] == world.alice.email


def test_a_push_on_top_of_an_older_version_is_refused(world: World, alice: Api) -> None:
    alice.post(path(world, "/push"), new())
    error = refused(alice.post(path(world, "/push"), new("Zanzibar")), 409, "DIRECTIVE_CONFLICT")
    assert "Version 1 is active" in error["message"]
    assert "Zanzibar" not in str(error)
    assert count(world) == 1


def test_a_push_may_be_repeated(world: World, alice: Api) -> None:
    first = alice.post(path(world, "/push"), new()).json()
    assert alice.post(path(world, "/push"), new()).json() == first
    assert count(world) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("content", ""),
        ("content", "é" * 16_385),
        ("content", "a\x00b"),
        ("content", 5),
        ("content", None),
        ("base_version", None),
        ("base_version", -1),
        ("base_version", True),
        ("base_version", 1.5),
        ("base_version", 2**40),
        ("reason", ""),
        ("reason", "   "),
        ("reason", "x" * 501),
        ("injection_mode", "nonsense"),
        ("labels", ["production"]),
    ],
)
def test_a_wrong_value_is_refused(world: World, alice: Api, field: str, value: Any) -> None:
    error = refused(
        alice.post(path(world, "/push"), {**new(), field: value}), 400, "VALIDATION_ERROR"
    )
    assert error["param"] == field
    assert count(world) == 0


@pytest.mark.parametrize("field", ["content", "base_version", "reason"])
def test_what_has_no_default_must_be_said(world: World, alice: Api, field: str) -> None:
    body = {name: value for name, value in new().items() if name != field}
    error = refused(alice.post(path(world, "/push"), body), 400, "VALIDATION_ERROR")
    assert error["param"] == field


def test_spaces_around_a_text_are_its_own(world: World, alice: Api) -> None:
    assert alice.post(path(world, "/push"), new("\n  Be kind. \n")).json()["size"] == 13
    assert alice.get(path(world, "/versions/1")).json()["content"] == "\n  Be kind. \n"


def test_where_the_text_goes_is_changed_alone(world: World, alice: Api) -> None:
    alice.post(path(world, "/push"), new())
    body = {"injection_mode": "user_prepend", "reason": "The model obeys it better"}
    refused(alice.patch(path(world), {**body, "base_version": 0}), 409, "DIRECTIVE_CONFLICT")
    shown = alice.patch(path(world), {**body, "base_version": 1}).json()
    assert shown["injection_mode"] == "user_prepend"
    active = shown["active_version"]
    assert (active["number"], active["content"]) == (2, "Be kind.")
    assert active["injection_mode"] == "user_prepend"
    places = [row["injection_mode"] for row in alice.get(path(world, "/versions")).json()["items"]]
    assert places == ["user_prepend", "system_first"]
    with tenant(world.acme):
        event = AuditEvent.objects.get(action="directive.configure")
    assert event.reason == "The model obeys it better"
    refused(alice.patch(path(world), {"injection_mode": "user_prepend"}), 400, "VALIDATION_ERROR")


def test_an_archived_agent_takes_no_directive(world: World, alice: Api) -> None:
    archive_agent(agent=world.scout, actor=TESTS)
    refused(alice.post(path(world, "/push"), new()), 409, "AGENT_ARCHIVED")


def test_an_old_version_is_rolled_back_to(world: World, alice: Api) -> None:
    alice.post(path(world, "/push"), new("Be kind."))
    alice.post(path(world, "/push"), new("Be rude.", 1))
    body = {"version": 1, "base_version": 2, "reason": "Complaints"}
    version = alice.post(path(world, "/rollback"), body).json()
    assert (version["number"], version["content"], version["rolled_back_from"]) == (
        3,
        "Be kind.",
        1,
    )
    assert alice.post(path(world, "/rollback"), body).json() == version
    stale = {**body, "version": 2}
    refused(alice.post(path(world, "/rollback"), stale), 409, "DIRECTIVE_CONFLICT")
    refused(alice.post(path(world, "/rollback"), {**body, "version": 9}), 404, "NOT_FOUND")


def test_versions_are_listed_page_by_page_without_their_texts(world: World, alice: Api) -> None:
    for number in range(3):
        alice.post(path(world, "/push"), new(f"Be number {number}.", number))
    first = alice.get(path(world, "/versions?limit=2")).json()
    assert [row["number"] for row in first["items"]] == [3, 2]
    assert "content" not in first["items"][0]
    rest = alice.get(path(world, f"/versions?limit=2&cursor={first['next_cursor']}")).json()
    assert [row["number"] for row in rest["items"]] == [1]
    refused(alice.get(path(world, "/versions?cursor=x")), 400, "VALIDATION_ERROR")
    refused(alice.get(path(world, "/versions?label=x")), 400, "VALIDATION_ERROR")


def test_a_listed_version_says_when_it_was_active_and_what_came_of_it(
    world: World, alice: Api
) -> None:
    for number in range(2):
        alice.post(path(world, "/push"), new(f"Be number {number}.", number))
    make_session(world.scout, directive_version=1)
    make_call(world.scout, directive_version=1, turn_id=uuid7(), tokens_in=3, latency_ms=40)
    make_call(world.scout, directive_version=1, error_code="PROVIDER_ERROR", status=502)
    second, first = alice.get(path(world, "/versions")).json()["items"]
    assert (first["replaced_at"], second["replaced_at"]) == (second["created_at"], None)
    assert first["usage"] == {
        "sessions": 1,
        "calls": 2,
        "failed": 1,
        "tokens_per_turn": 3,
        "latency_p50_ms": 40,
    }
    assert second["usage"] == {
        "sessions": 0,
        "calls": 0,
        "failed": 0,
        "tokens_per_turn": None,
        "latency_p50_ms": None,
    }


def test_a_version_that_never_was_is_missing(world: World, alice: Api) -> None:
    for number in ("1", "0", "9" * 30):
        refused(alice.get(path(world, f"/versions/{number}")), 404, "NOT_FOUND")
        refused(alice.get(path(world, f"/pushes/{number}")), 404, "NOT_FOUND")


def test_any_two_versions_are_compared(world: World, alice: Api) -> None:
    alice.post(path(world, "/push"), new("Always\nAnswer in ten sentences."))
    alice.post(path(world, "/push"), new("Always\nAnswer in three sentences.", 1))
    found = alice.get(path(world, "/diff")).json()
    assert (found["base"], found["head"]) == (1, 2)
    assert (found["added_words"], found["removed_words"]) == (1, 1)
    same, changed = found["rows"]
    assert same["kind"] == "same"
    assert {"kind": "removed", "text": "ten"} in changed["old"]["pieces"]
    assert {"kind": "added", "text": "three"} in changed["new"]["pieces"]
    first = alice.get(path(world, "/diff?base=0&head=1")).json()
    assert [row["kind"] for row in first["rows"]] == ["added", "added"]
    refused(alice.get(path(world, "/diff?base=1&head=9")), 404, "NOT_FOUND")
    refused(alice.get(path(world, "/diff?base=x")), 400, "VALIDATION_ERROR")


def test_a_difference_names_the_setting_that_changed(world: World, alice: Api) -> None:
    alice.post(path(world, "/push"), new())
    alice.post(path(world, "/push"), new("Be kinder.", 1))
    assert alice.get(path(world, "/diff")).json()["settings"] == []
    alice.post(path(world, "/push"), new("Be kinder.", 2, injection_mode="user_prepend"))
    found = alice.get(path(world, "/diff")).json()
    moved = {"name": "injection_mode", "before": "system_first", "after": "user_prepend"}
    assert found["settings"] == [moved]
    assert [row["kind"] for row in found["rows"]] == ["same"]
    first = alice.get(path(world, "/diff?base=0&head=1")).json()["settings"]
    assert first == [{**moved, "before": None, "after": "system_first"}]


def test_spaces_alone_can_be_ignored(world: World, alice: Api) -> None:
    alice.post(path(world, "/push"), new("Be kind."))
    alice.post(path(world, "/push"), new("Be  kind.", 1))
    assert alice.get(path(world, "/diff")).json()["rows"][0]["kind"] == "changed"
    ignoring = alice.get(path(world, "/diff?ignore_whitespace=true")).json()
    assert ignoring["rows"][0]["kind"] == "same"


def test_a_draft_begins_with_the_active_text_and_is_saved(world: World, alice: Api) -> None:
    alice.post(path(world, "/push"), new())
    began = alice.get(path(world, "/draft")).json()
    assert (began["content"], began["base_version"], began["revision"]) == ("Be kind.", 1, 0)
    assert (began["draft_id"], began["updated_at"]) == (None, None)
    body = {"content": "Be kinder.", "base_version": 1, "reason": "So far", "revision": 0}
    saved = alice.call("PUT", path(world, "/draft"), body).json()
    assert (saved["content"], saved["reason"], saved["revision"]) == ("Be kinder.", "So far", 1)
    assert alice.get(path(world, "/draft")).json() == saved
    again = alice.call("PUT", path(world, "/draft"), body)
    refused(again, 409, "DRAFT_CONFLICT")
    for _twice in range(2):
        assert alice.delete(path(world, "/draft")).status_code == 204
    assert alice.get(path(world, "/draft")).json() == began


def test_a_save_of_a_draft_that_ended_replaces_nothing_of_the_next(
    world: World, alice: Api
) -> None:
    body = {"content": "Be kind.", "base_version": 0, "revision": 0, "draft_id": None}
    ended = alice.call("PUT", path(world, "/draft"), body).json()
    alice.delete(path(world, "/draft"))
    now = alice.call("PUT", path(world, "/draft"), {**body, "content": "Be brief."}).json()
    assert ended["revision"] == now["revision"] == 1
    late = {**body, "revision": 1, "draft_id": ended["draft_id"]}
    refused(alice.call("PUT", path(world, "/draft"), late), 409, "DRAFT_CONFLICT")
    assert alice.get(path(world, "/draft")).json() == now
    seen = {**late, "draft_id": now["draft_id"]}
    assert alice.call("PUT", path(world, "/draft"), seen).json()["content"] == "Be kind."


def test_each_caller_has_a_draft_of_their_own(
    world: World, alice: Api, api: MakeApi, sign_in: SignIn
) -> None:
    other = api(world.token())
    for caller, content in ((alice, "One"), (other, "Two")):
        caller.call("PUT", path(world, "/draft"), {"content": content, "base_version": 0})
    client = sign_in(world.alice)
    client.put(path(world, "/draft"), {"content": "Three", "base_version": 0}, "application/json")
    assert alice.get(path(world, "/draft")).json()["content"] == "One"
    assert other.get(path(world, "/draft")).json()["content"] == "Two"
    assert client.get(path(world, "/draft")).json()["content"] == "Three"
    with tenant(world.acme):
        assert DirectiveDraft.objects.count() == 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"content": None},
        {"content": "x" * 131_073},
        {"base_version": 5},
        {"revision": "x"},
        {"draft_id": "x"},
        {"injection_mode": "nonsense"},
        {"reason": "x" * 501},
        {"subject": "x"},
    ],
)
def test_a_wrong_draft_is_refused(world: World, alice: Api, wrong: dict[str, Any]) -> None:
    body = {"content": "Be kind.", "base_version": 0, **wrong}
    error = refused(alice.call("PUT", path(world, "/draft"), body), 400, "VALIDATION_ERROR")
    assert error["param"] == next(iter(wrong))


def test_the_proxies_of_a_push_are_shown(world: World, alice: Api) -> None:
    alice.post(path(world, "/push"), new())
    shown = alice.get(path(world, "/pushes/1")).json()
    assert (shown["number"], shown["is_active"]) == (1, True)
    assert (shown["connected"], shown["in_sync"], shown["proxies"]) == (0, 0, [])
    connect_proxy("proxy-here", 2**40)
    connect_proxy("proxy-mute", 2**40, seen_at=timezone.now() - timedelta(minutes=3))
    shown = alice.get(path(world, "/pushes/1")).json()
    assert (shown["connected"], shown["in_sync"], shown["silent"]) == (1, 1, 1)
    assert [row["state"] for row in shown["proxies"]] == ["runs", "silent"]


def test_proxies_are_told_again_of_what_they_did_not_acknowledge(world: World, alice: Api) -> None:
    _version, rev = push(world, "Be kind.")
    late = connect_proxy("proxy-late", rev - 1)
    again = path(world, "/pushes/1/retry")
    shown = alice.post(again)
    assert shown.status_code == 200
    assert [row["state"] for row in shown.json()["proxies"]] == ["pending"]
    acknowledge(late, rev)
    refused(alice.post(again), 409, "PUSH_ARRIVED")
    alice.post(path(world, "/push"), new("Be brief.", 1))
    refused(alice.post(again), 409, "PUSH_REPLACED")


def test_a_version_is_copied_to_another_agents_draft(world: World, api: MakeApi) -> None:
    caller, other = api(world.token()), agent_of(world)
    caller.post(path(world, "/push"), new(injection_mode="user_prepend"))
    there, body = path(world, "/versions/1/copy"), {"to_agent_id": str(other.pk)}
    copied = caller.post(there, body).json()
    assert (copied["agent_id"], copied["content"]) == (str(other.pk), "Be kind.")
    assert (copied["base_version"], copied["injection_mode"]) == (0, "user_prepend")
    assert caller.post(there, body).json() == copied  # repeated: it reads so already
    written = {"content": "Hours of work.", "base_version": 0}
    draft = f"{AGENTS}/{other.pk}/directive/draft"
    saved = caller.call("PUT", draft, written).json()
    refused(caller.post(there, body), 409, "DRAFT_CONFLICT")
    assert caller.get(draft).json() == saved
    seen = {**body, "draft_id": saved["draft_id"], "revision": saved["revision"]}
    assert caller.post(there, seen).json()["content"] == "Be kind."


def test_a_version_is_copied_to_no_agent_that_does_not_exist_for_the_caller(
    world: World, alice: Api, api: MakeApi
) -> None:
    whole, other = api(world.token()), agent_of(world)
    bound = api(world.token(agent=world.scout))
    alice.post(path(world, "/push"), new())
    there = path(world, "/versions/1/copy")
    for caller, agent in ((whole, world.spy), (bound, other), (whole, world.scout)):
        error = refused(caller.post(there, {"to_agent_id": str(agent.pk)}), 400, "VALIDATION_ERROR")
        assert error["param"] == "to_agent_id"
    with tenant(world.elsewhere):
        assert not DirectiveDraft.objects.exists()
    with tenant(world.acme):
        assert not DirectiveDraft.objects.exists()
    assert whole.post(there, {"to_agent_id": str(other.pk)}).status_code == 200
    archive_agent(agent=other, actor=TESTS)
    refused(whole.post(there, {"to_agent_id": str(other.pk)}), 409, "AGENT_ARCHIVED")


@pytest.mark.parametrize(
    ("method", "more", "needs"),
    [
        ("GET", "", READ),
        ("GET", "/draft", READ),
        ("PUT", "/draft", WRITE),
        ("DELETE", "/draft", WRITE),
        ("GET", "/versions", READ),
        ("GET", "/versions/1", READ),
        ("GET", "/diff", READ),
        ("GET", "/pushes/1", READ),
        ("POST", "/versions/1/copy", WRITE),
        ("PATCH", "", PUSH),
        ("POST", "/push", PUSH),
        ("POST", "/rollback", PUSH),
        ("POST", "/pushes/1/retry", PUSH),
    ],
)
def test_each_role_does_what_it_may(
    world: World, sign_in: SignIn, method: str, more: str, needs: Permission
) -> None:
    push_directive(agent=world.scout, content="Be kind.", actor=TESTS)
    for role, held in (("viewer", READ), ("member", READ | WRITE), ("admin", READ | WRITE | PUSH)):
        client = sign_in(world.member(role))
        answer = client.generic(method, path(world, more), b"{}", "application/json")
        if needs & held:
            assert answer.status_code in {200, 204, 400, 409}, (role, answer.content)
        else:
            refused(answer, 403, "INSUFFICIENT_PERMISSIONS")


def test_another_orgs_directive_is_missing_and_unharmed(
    world: World, alice: Api, mallory: Api, api: MakeApi
) -> None:
    alice.post(path(world, "/push"), new())
    other = agent_of(world)
    for stranger in (mallory, api(world.token(agent=other))):
        for more in ("", "/draft", "/versions", "/versions/1", "/diff", "/pushes/1"):
            refused(stranger.get(path(world, more)), 404, "NOT_FOUND")
        refused(stranger.post(path(world, "/push"), new("Planted", 1)), 404, "NOT_FOUND")
    assert alice.get(path(world)).json()["active_version"]["content"] == "Be kind."


def test_the_list_reads_a_fixed_number_of_queries(
    world: World, alice: Api, django_assert_num_queries: Any
) -> None:
    for number in range(6):
        alice.post(path(world, "/push"), new(f"Be number {number}.", number))
    with django_assert_num_queries(
        8
    ):  # token; savepoint, tenant, agent, rows, usage, tenant, release
        assert len(alice.get(path(world, "/versions")).json()["items"]) == 6
