"""A bulk action acts on exactly what was confirmed."""

from typing import Any

import pytest
from django.http import QueryDict
from django.test import Client

from agents.bulk import ACTIONS
from agents.errors import AgentArchived
from agents.filters import AgentFilter
from agents.models import Agent
from agents.services import archive_agent, create_agent, update_agent
from ibex import selection
from ibex.ids import uuid7
from ibex.tenancy import tenant
from jobs.api import JobSerializer
from jobs.bulk import enqueue_bulk
from jobs.models import Job
from jobs.running import run_job
from orgs.models import AuditEvent
from tests.conftest import TESTS, SignIn, World
from tests.console.forms import fields_in

PAUSE = "/agents/bulk/pause/"


@pytest.fixture(autouse=True)
def console_urls(settings: Any) -> None:
    settings.ROOT_URLCONF = "ibex.urls.dashboard"


@pytest.fixture
def many(world: World) -> list[Agent]:
    return [
        create_agent(
            org=world.acme, name=f"Helper {n}", slug=f"h-{n}", memory_scope="agent", actor=TESTS
        )
        for n in range(3)
    ]


@pytest.fixture
def alice(world: World, sign_in: SignIn) -> Client:
    return sign_in(world.alice)


def signed(world: World, query: str) -> str:
    with tenant(world.acme):
        filters = AgentFilter(QueryDict(query), Agent.objects.all(), org_id=world.acme.pk)
        return filters.signed()


def paused(world: World) -> set[str]:
    with tenant(world.acme):
        return set(Agent.objects.filter(status="paused").values_list("name", flat=True))


def test_the_first_step_says_what_will_happen_and_changes_nothing(
    world: World, alice: Client, many: list[Agent]
) -> None:
    answer = alice.post(PAUSE, {"scope": "query", "query": signed(world, "name=helper")})
    text = answer.content.decode()
    assert answer.status_code == 200
    assert "Pause 3 agents" in text
    assert "Name contains “helper”" in text
    assert all(agent.name in text for agent in many)
    assert '<input type="hidden" name="expected" value="3">' in text
    assert paused(world) == set()


def test_confirming_acts_on_all_that_matches(
    world: World, alice: Client, many: list[Agent]
) -> None:
    sent = {"scope": "query", "query": signed(world, "name=helper"), "expected": "3"}
    answer = alice.post(PAUSE, {**sent, "reason": "Maintenance"}, follow=True)
    assert b"Paused 3 agents." in answer.content
    assert paused(world) == {"Helper 0", "Helper 1", "Helper 2"}
    with tenant(world.acme):
        events = AuditEvent.objects.filter(action="agent.paused", reason="Maintenance")
        assert events.count() == 3
        assert len(set(events.values_list("request_id", flat=True))) == 1  # one group


def test_an_empty_count_confirms_nothing(world: World, alice: Client, many: list[Agent]) -> None:
    sent = {"scope": "query", "query": signed(world, "name=helper"), "expected": ""}
    answer = alice.post(PAUSE, {**sent, "reason": "Maintenance"})
    assert b'name="expected" value="3"' in answer.content  # it is the first step
    assert paused(world) == set()


def test_a_count_that_changed_answers_409_with_the_new_one(
    world: World, alice: Client, many: list[Agent]
) -> None:
    sent = {"scope": "query", "query": signed(world, "name=helper"), "expected": "2"}
    answer = alice.post(PAUSE, {**sent, "reason": "Maintenance"})
    assert answer.status_code == 409
    assert b"2 were confirmed, and now 3 match" in answer.content
    assert b'name="expected" value="3"' in answer.content
    assert paused(world) == set()


def test_ids_act_on_these_rows_only(world: World, alice: Client, many: list[Agent]) -> None:
    sent = {"scope": "ids", "ids": [many[0].pk, many[2].pk], "expected": "2", "reason": "Because"}
    alice.post(PAUSE, sent)
    assert paused(world) == {"Helper 0", "Helper 2"}


@pytest.mark.parametrize("sent", [{}, {"scope": "ids"}, {"scope": "ids", "expected": "0"}])
def test_no_ids_never_means_all(
    world: World, alice: Client, many: list[Agent], sent: dict[str, str]
) -> None:
    answer = alice.post(PAUSE, {**sent, "reason": "Because"}, follow=True)
    assert b"Nothing is selected." in answer.content
    assert paused(world) == set()


@pytest.mark.parametrize(
    "sent",
    [
        {"scope": "ids", "ids": ["nonsense"]},
        {"scope": "everything"},
        {"scope": "query", "query": "nonsense"},
        {"scope": "query"},
    ],
)
def test_a_malformed_selection_is_refused(
    world: World, alice: Client, many: list[Agent], sent: dict[str, Any]
) -> None:
    answer = alice.post(PAUSE, {**sent, "reason": "Because", "expected": "4"}, follow=True)
    assert b"notice bad" in answer.content
    assert paused(world) == set()


def test_an_id_that_is_gone_is_not_passed_over(
    world: World, alice: Client, many: list[Agent]
) -> None:
    sent = {"scope": "ids", "ids": [many[0].pk, uuid7()], "expected": "2", "reason": "Because"}
    assert alice.post(PAUSE, sent).status_code == 409
    assert paused(world) == set()


def test_another_orgs_rows_cannot_be_selected(
    world: World, sign_in: SignIn, many: list[Agent]
) -> None:
    mallory = sign_in(world.mallory)
    by_id = {"scope": "ids", "ids": [many[0].pk], "expected": "1", "reason": "Because"}
    assert mallory.post(PAUSE, by_id).status_code == 409
    by_query = {"scope": "query", "query": signed(world, "name=helper"), "expected": "3"}
    mallory.post(PAUSE, {**by_query, "reason": "Because"})
    assert paused(world) == set()


def test_a_viewer_sees_the_button_with_the_reason_and_is_refused(
    world: World, sign_in: SignIn, many: list[Agent]
) -> None:
    viewer = sign_in(world.member("viewer"))
    text = viewer.get("/agents/").content.decode()
    assert "Your role, viewer, does not pause or activate agents." in text
    sent = {"scope": "ids", "ids": [many[0].pk], "expected": "1", "reason": "Because"}
    assert viewer.post(PAUSE, sent).status_code == 403
    assert paused(world) == set()


def test_a_reason_is_required(world: World, alice: Client, many: list[Agent]) -> None:
    sent = {"scope": "ids", "ids": [many[0].pk], "expected": "1", "reason": ""}
    assert alice.post(PAUSE, sent).status_code == 400
    assert paused(world) == set()


def test_rows_that_refuse_are_said(world: World, alice: Client, many: list[Agent]) -> None:
    archive_agent(agent=many[1], actor=TESTS)
    sent = {"scope": "query", "query": signed(world, "name=helper"), "expected": "3"}
    answer = alice.post(PAUSE, {**sent, "reason": "Because"}, follow=True)
    assert b"Paused 2 agents." in answer.content
    assert b"Helper 1 is archived, which is final." in answer.content


def test_anonymous_is_asked_to_sign_in(world: World) -> None:
    assert Client().post(PAUSE, {}).status_code == 302


def test_a_get_is_no_bulk_action(alice: Client) -> None:
    assert alice.get(PAUSE).status_code == 405


def first_step(client: Client, world: World, query: str = "name=helper", **more: Any) -> Any:
    """Open the confirm page; return what its form sends, and the page."""
    sent = {"scope": "query", "query": signed(world, query), **more}
    page = client.post(PAUSE, sent)
    return {**fields_in(page.content, PAUSE), "reason": "Because"}


@pytest.fixture
def few_in_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "IN_REQUEST", 2)
    monkeypatch.setattr("jobs.bulk.CHUNK", 2)


def rename(world: World, agent: Agent, name: str) -> None:
    update_agent(agent=agent, actor=TESTS, name=name)


def test_as_many_others_are_not_what_was_confirmed(
    world: World, alice: Client, many: list[Agent]
) -> None:
    confirmed = first_step(alice, world)
    rename(world, many[0], "Elsewhere")
    rename(world, world.scout, "Helper too")
    refused = alice.post(PAUSE, confirmed)
    assert refused.status_code == 409
    assert b"the 3 that match now are not those that were confirmed" in refused.content
    assert paused(world) == set()
    again = {**fields_in(refused.content, PAUSE), "reason": "Because"}
    assert alice.post(PAUSE, again).status_code == 302
    assert paused(world) == {"Helper too", "Helper 1", "Helper 2"}


@pytest.mark.usefixtures("few_in_a_request")
def test_very_many_as_well(world: World, alice: Client, many: list[Agent]) -> None:
    confirmed = first_step(alice, world)
    rename(world, many[0], "Elsewhere")
    rename(world, world.scout, "Helper too")
    assert alice.post(PAUSE, confirmed).status_code == 409
    with tenant(world.acme):
        assert not Job.objects.exists()


@pytest.mark.usefixtures("few_in_a_request")
def test_very_many_become_a_job_of_exactly_these_rows(
    world: World, alice: Client, many: list[Agent]
) -> None:
    answer = alice.post(PAUSE, first_step(alice, world))
    with tenant(world.acme):
        job = Job.objects.get()
        assert [len(chunk.row_ids) for chunk in job.chunks.order_by("number")] == [2, 1]
    assert answer["Location"] == f"/jobs/{job.pk}/"
    assert (job.kind, job.title, job.total) == ("agents.bulk", "Pause 3 agents", 3)
    rename(world, many[0], "Renamed")  # it was confirmed, whatever it is called now
    rename(world, world.scout, "Helper too")
    run_job(org_id=world.acme.pk, job_id=job.pk)
    assert paused(world) == {"Renamed", "Helper 1", "Helper 2"}
    with tenant(world.acme):
        job.refresh_from_db()
        assert (job.state, job.done, job.failed) == ("done", 3, 0)
        assert job.result == {"agents_changed": 3}
        assert not job.chunks.exists()


@pytest.mark.usefixtures("few_in_a_request")
def test_rows_that_come_while_the_job_is_made_stop_it(world: World, many: list[Agent]) -> None:
    with tenant(world.acme):
        rows = Agent.objects.filter(org=world.acme, name__startswith="Helper")
        chosen = selection.select("query", rows, "begins with Helper")
    rename(world, world.scout, "Helper too")
    how = {"org_id": world.acme.pk, "kind": "agents.bulk", "action": ACTIONS["pause"]}
    with pytest.raises(selection.SelectionChanged) as refused:
        enqueue_bulk(selection=chosen, actor=TESTS, reason="Because", **how)
    assert refused.value.count == 4
    with tenant(world.acme):
        assert not Job.objects.exists()


@pytest.mark.usefixtures("few_in_a_request")
def test_a_confirm_page_sent_twice_starts_one_job(
    world: World, alice: Client, sign_in: SignIn, many: list[Agent]
) -> None:
    confirmed = first_step(alice, world)
    first = alice.post(PAUSE, confirmed)
    with tenant(world.acme):
        run_job(org_id=world.acme.pk, job_id=Job.objects.get().pk)
        Agent.objects.filter(pk=many[0].pk).update(name="Elsewhere")  # nothing matches as before
    assert alice.post(PAUSE, confirmed)["Location"] == first["Location"]
    with tenant(world.acme):
        assert Job.objects.count() == 1
    other = sign_in(world.member("admin"))
    assert other.post(PAUSE, confirmed).status_code == 409  # the key is Alice's; rows changed
    rename(world, many[0], "Helper 0")
    assert other.post(PAUSE, confirmed).status_code == 409  # the same rows: the key is Alice's
    assert other.post(PAUSE, first_step(other, world))["Location"] != first["Location"]


@pytest.mark.usefixtures("few_in_a_request")
def test_a_job_says_why_rows_were_left(world: World, alice: Client, many: list[Agent]) -> None:
    answer = alice.post(PAUSE, first_step(alice, world))
    archive_agent(agent=many[1], actor=TESTS)
    with tenant(world.acme):
        job = Job.objects.get()
        Agent.objects.filter(pk=many[2].pk).delete()
    run_job(org_id=world.acme.pk, job_id=job.pk)
    with tenant(world.acme):
        job.refresh_from_db()
    assert (job.state, job.done, job.failed) == ("partial", 3, 2)
    final, gone = job.result["refusals"]
    assert final == {
        "code": "AGENT_ARCHIVED",
        "message": "Helper 1 is archived, which is final.",
        "count": 1,
        "ids": [str(many[1].pk)],
    }
    assert (gone["code"], gone["ids"]) == ("NOT_FOUND", [str(many[2].pk)])
    assert job.result["agents_changed"] == 1
    page = alice.get(answer["Location"]).content.decode()
    for words in ("Helper 1 is archived, which is final.", "AGENT_ARCHIVED", str(many[1].pk)):
        assert words in page
    assert "for other reasons" not in page
    assert JobSerializer(job).data["result"] == job.result


def test_reasons_are_few_and_their_count_is_exact() -> None:
    outcome = selection.Outcome()
    for number in range(12):
        for _row in range(7):
            outcome.refuse(AgentArchived(f"Agent {number}"), uuid7())
    assert outcome.refused == 84
    assert [(one.count, len(one.ids)) for one in outcome.refusals] == [(7, 5)] * 10
    both = selection.Outcome.of_refusals(outcome.refusals_as_json)
    both.add(outcome)
    assert [(one.count, len(one.ids)) for one in both.refusals] == [(14, 5)] * 10


def test_the_list_comes_back_as_it_was(world: World, alice: Client, many: list[Agent]) -> None:
    here = "/agents/?name=helper&status=active"
    shown = fields_in(alice.get(here).content, PAUSE)
    assert shown["next"] == here
    page = alice.post(PAUSE, {**shown, "scope": "query"})
    assert f'href="{here.replace("&", "&amp;")}">Cancel' in page.content.decode()
    sent = {**fields_in(page.content, PAUSE), "reason": "Because"}
    assert alice.post(PAUSE, sent)["Location"] == here


@pytest.mark.parametrize("there", ["https://evil.example/", "//evil.example", "javascript:x", ""])
def test_no_form_leads_to_another_site(
    world: World, alice: Client, many: list[Agent], there: str
) -> None:
    sent = {**first_step(alice, world), "next": there}
    assert alice.post(PAUSE, sent)["Location"] == "/agents/"
