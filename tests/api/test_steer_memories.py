"""Writing, searching, reviewing and changing many memories through the management API."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents.services import create_agent
from ibex import selection
from ibex.ids import uuid7
from ibex.tenancy import tenant
from jobs.models import Job
from jobs.running import run_job
from memories.models import DeadLetter, Memory
from memories.services import edit_memory, write_memory
from orgs.models import AuditEvent
from orgs.permissions import ALL, Permission
from tests.api.conftest import Api, MakeApi, refused
from tests.api.rows import make_dead_letter, make_memory, make_session
from tests.conftest import TESTS, World

pytestmark = pytest.mark.usefixtures("api_urls", "embedder_away")

PATH = "/api/v1/memories"


def contents(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [row["content"] for row in answer.json()["items"]]


def statuses(world: World) -> list[str]:
    with tenant(world.acme):
        return sorted(Memory.objects.values_list("status", flat=True))


def test_an_operator_has_an_agent_remember_something(world: World, alice: Api) -> None:
    body = {"agent_id": str(world.scout.pk), "content": "Ships on Fridays", "reason": "Told"}
    first = alice.post(PATH, body)
    assert (first.status_code, first.json()["outcome"]) == (201, "created")
    again = alice.post(PATH, body)
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    foreign = {**body, "agent_id": str(world.spy.pk)}
    assert refused(alice.post(PATH, foreign), 400, "VALIDATION_ERROR")["param"] == "agent_id"


def test_lists_are_narrowed_and_sorted_like_the_console(world: World, alice: Api) -> None:
    write_memory(agent=world.scout, content="Ships on Fridays", actor=TESTS, tags=["a"])
    make_memory(world.scout, "Sure of it", confidence=0.99, injected_count=2)
    make_memory(world.scout, "Used most", confidence=0.1, injected_count=9, subject="ada")
    make_memory(world.scout, "Less useful", usefulness=0.7)
    make_memory(world.scout, "Most useful", usefulness=0.9)
    assert contents(alice.get(f"{PATH}?q=friday")) == ["Ships on Fridays"]
    assert contents(alice.get(f"{PATH}?tag=a")) == ["Ships on Fridays"]
    assert contents(alice.get(f"{PATH}?subject=ada")) == ["Used most"]
    assert contents(alice.get(f"{PATH}?confidence_max=0.5")) == ["Used most"]
    assert contents(alice.get(f"{PATH}?sort=confidence"))[0] == "Sure of it"
    assert contents(alice.get(f"{PATH}?sort=recalled")) == ["Used most", "Sure of it"]
    page = alice.get(f"{PATH}?sort=recalled&limit=1").json()
    assert contents(alice.get(f"{PATH}?sort=recalled&cursor={page['next_cursor']}")) == [
        "Sure of it"
    ]
    walked = alice.get(f"{PATH}?sort=useful&limit=2").json()
    assert [row["content"] for row in walked["items"]] == ["Most useful", "Less useful"]
    rest = alice.get(f"{PATH}?sort=useful&cursor={walked['next_cursor']}")
    assert len(contents(rest)) == 3
    assert "Less useful" not in contents(rest)
    sure = alice.get(f"{PATH}?sort=confidence&limit=1").json()
    rest = contents(alice.get(f"{PATH}?sort=confidence&cursor={sure['next_cursor']}"))
    assert (len(rest), rest[-1]) == (4, "Used most")
    for query in ("nonsense=1", "sort=up", "confidence_min=2", "created_after=soon"):
        refused(alice.get(f"{PATH}?{query}"), 400, "VALIDATION_ERROR")


def test_what_is_of_little_use_is_listed_as_it_is_counted(world: World, alice: Api) -> None:
    old = timezone.now() - timedelta(days=8)
    for content, fields in {
        "Ships on Fridays": {"subject_key": "team.shipping"},
        "It rains": {},
        "Open only today, for visitors from Oslo": {"length": 6},
    }.items():
        make_memory(world.scout, content, created_at=old, **fields)
    make_memory(world.scout, "It snows")
    make_memory(world.scout, "It hailed", created_at=old, status="archived")
    assert contents(alice.get(f"{PATH}?junk=vague")) == ["It rains"]
    assert contents(alice.get(f"{PATH}?junk=transient&agent={world.scout.pk}")) == [
        "Open only today, for visitors from Oslo"
    ]
    assert len(contents(alice.get(f"{PATH}?junk=never_recalled"))) == 3
    health = alice.get(f"/api/v1/agents/{world.scout.pk}/stats").json()["memory_health"]
    assert (health["looked_at"], health["never_recalled"]) == (3, 3)
    assert (health["vague"], health["transient"], health["closest"]) == (1, 1, [])
    refused(alice.get(f"{PATH}?junk=boring"), 400, "VALIDATION_ERROR")


def test_a_stale_change_is_refused(world: World, alice: Api) -> None:
    memory = write_memory(agent=world.scout, content="Ships on Fridays", actor=TESTS).memory
    version = alice.get(f"{PATH}/{memory.pk}").json()["version"]
    edit_memory(memory=memory, actor=TESTS, confidence=0.3)
    body = {"content": "Ships on Mondays", "base_version": version}
    refused(alice.patch(f"{PATH}/{memory.pk}", body), 409, "MEMORY_CHANGED")
    assert alice.patch(f"{PATH}/{memory.pk}", {**body, "base_version": 2}).status_code == 200
    rows = alice.get(f"{PATH}/{memory.pk}/versions?limit=2").json()
    assert [row["number"] for row in rows["items"]] == [3, 2]
    assert rows["next_cursor"]


def test_many_are_changed_exactly_as_expected(world: World, alice: Api) -> None:
    rows = [make_memory(world.scout, f"Item {n}", category="procedural") for n in range(3)]
    body = {"action": "archive", "filter": {"category": "procedural"}, "expected": 2}
    refused(alice.post(f"{PATH}/bulk", body), 409, "SELECTION_CHANGED")
    assert statuses(world) == ["active"] * 3
    answer = alice.post(f"{PATH}/bulk", {**body, "expected": 3})
    assert answer.json() == {"done": 3, "refused": 0, "reasons": []}
    ids = [str(row.pk) for row in rows]
    assert alice.post(f"{PATH}/bulk", {"action": "restore", "ids": ids[:2]}).json()["done"] == 2
    refused(
        alice.post(f"{PATH}/bulk", {"action": "delete", "ids": [str(uuid7())]}),
        409,
        "SELECTION_CHANGED",
    )
    assert statuses(world) == ["active", "active", "archived"]


@pytest.mark.parametrize(
    "body",
    [
        {"action": "archive"},
        {"action": "archive", "ids": []},
        {"action": "archive", "filter": {}},
        {"action": "archive", "filter": {"nonsense": "1"}, "expected": 1},
        {"action": "explode", "filter": {}, "expected": 1},
        {"action": "tag", "filter": {}, "expected": 1},
        {"action": "archive", "add": ["x"], "filter": {}, "expected": 1},
    ],
)
def test_a_wrong_bulk_change_is_refused(world: World, alice: Api, body: dict[str, Any]) -> None:
    make_memory(world.scout)
    refused(alice.post(f"{PATH}/bulk", body), 400, "VALIDATION_ERROR")
    assert statuses(world) == ["active"]


def test_over_500_become_a_job(world: World, alice: Api) -> None:
    for number in range(501):
        make_memory(world.scout, f"Item {number}")
    body = {"action": "archive", "filter": {}, "expected": 501, "reason": "Old"}
    answer = alice.post(f"{PATH}/bulk", body)
    assert answer.status_code == 202
    with tenant(world.acme):
        assert Job.objects.get().title == "Archive 501 memories"


def test_deleting_many_needs_its_own_permission(world: World, api: MakeApi) -> None:
    memory = make_memory(world.scout)
    writer = api(world.token(permissions=ALL & ~Permission.MEMORY_DELETE))
    body = {"action": "delete", "ids": [str(memory.pk)]}
    refused(writer.post(f"{PATH}/bulk", body), 403, "INSUFFICIENT_PERMISSIONS")
    assert api(world.token()).post(f"{PATH}/bulk", body).json()["done"] == 1


def test_others_change_nothing(world: World, api: MakeApi) -> None:
    memory = make_memory(world.scout)
    other = create_agent(
        org=world.acme, name="Other", slug="other", memory_scope="agent", actor=TESTS
    )
    body = {"action": "delete", "ids": [str(memory.pk)]}
    for stranger in (api(world.token(world.elsewhere)), api(world.token(agent=other))):
        refused(stranger.post(f"{PATH}/bulk", body), 409, "SELECTION_CHANGED")
        new = {"agent_id": str(world.scout.pk), "content": "Planted"}
        refused(stranger.post(PATH, new), 400, "VALIDATION_ERROR")
        question = {"agent_id": str(world.scout.pk), "query": "ships"}
        refused(stranger.post(f"{PATH}/search", question), 400, "VALIDATION_ERROR")
    assert statuses(world) == ["active"]


def test_what_waits_is_decided_about(world: World, alice: Api) -> None:
    common = {"agent": world.scout, "actor": TESTS, "subject_key": "budget"}
    known = write_memory(content="The budget is 10,000.", pinned=True, **common).memory
    said = write_memory(content="The budget is 12,000.", **common).memory
    related = alice.get(f"{PATH}/{said.pk}/related").json()
    assert [edge["memory"]["id"] for edge in related["edges"]] == [str(known.pk)]
    path = f"{PATH}/{said.pk}/review"
    refused(alice.post(path, {"decision": "keep_both"}), 400, "VALIDATION_ERROR")
    assert alice.post(path, {"decision": "replace"}).json()["status"] == "active"
    refused(alice.post(path, {"decision": "reject"}), 409, "MEMORY_STATUS_REFUSED")
    assert statuses(world) == ["active", "superseded"]


def test_over_500_dead_letters_become_a_job(
    world: World, alice: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "IN_REQUEST", 2)
    session = make_session(world.scout)
    for _number in range(3):
        make_dead_letter(session)
    body = {"filter": {"status": "open"}, "expected": 3, "reason": "The model is back"}
    path = "/api/v1/dead-letters/retry"
    refused(alice.post(path, {**body, "expected": 4}), 409, "SELECTION_CHANGED")
    answer = alice.post(path, body)
    assert (answer.status_code, answer.json()["state"]) == (202, "queued")
    with tenant(world.acme):
        job = Job.objects.get()
        assert not DeadLetter.objects.exclude(retry_after=None).exists()
    assert answer["Location"] == f"/api/v1/jobs/{job.pk}"
    assert (job.title, job.kind) == ("Retry 3 dead letters", "memories.dead_letters")
    run_job(org_id=world.acme.pk, job_id=job.pk)
    assert all(row["retry_after"] for row in alice.get("/api/v1/dead-letters").json()["items"])
    with tenant(world.acme):
        events = AuditEvent.objects.filter(action="dead_letter.retry")
        assert set(events.values_list("reason", flat=True)) == {"The model is back"}
        assert events.count() == 3


def test_a_token_of_one_agent_makes_a_job_of_its_own_letters(
    world: World, api: MakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "IN_REQUEST", 1)
    other = create_agent(
        org=world.acme, name="Other", slug="other", memory_scope="agent", actor=TESTS
    )
    for agent in (world.scout, world.scout, other):
        make_dead_letter(make_session(agent))
    bound = api(world.token(agent=world.scout))
    path = "/api/v1/dead-letters/retry"
    refused(bound.post(path, {"filter": {}, "expected": 3}), 409, "SELECTION_CHANGED")
    assert bound.post(path, {"filter": {}, "expected": 2}).status_code == 202
    with tenant(world.acme):
        job = Job.objects.get()
        assert (job.agent_id, job.total) == (world.scout.pk, 2)


def test_many_dead_letters_are_retried(world: World, alice: Api, api: MakeApi) -> None:
    session = make_session(world.scout)
    letters = [make_dead_letter(session) for _number in range(3)]
    path, some = "/api/v1/dead-letters/retry", {"ids": [str(letters[0].pk)]}
    refused(api(world.token(world.elsewhere)).post(path, some), 409, "SELECTION_CHANGED")
    body = {"filter": {"status": "open"}, "expected": 3, "reason": "The model is back"}
    assert alice.post(path, body).json()["done"] == 3
    assert all(row["retry_after"] for row in alice.get("/api/v1/dead-letters").json()["items"])
