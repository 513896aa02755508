"""The list of sessions: narrowed, ordered, peeked into, and ended in bulk."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from agents.models import Agent
from agents.services import create_agent
from ibex import selection
from ibex.tenancy import tenant
from jobs.models import Job
from jobs.running import run_job
from orgs.models import AuditEvent
from sessions.filters import SessionFilter
from sessions.models import Session
from tests.api.rows import make_call
from tests.conftest import TESTS, SignIn, World
from tests.console.conftest import Story
from tests.sessions.turns import make_session, record_turn

NOW = timezone.now()


def change(session: Session, **fields: Any) -> Session:
    with tenant(session.org_id):
        Session.objects.filter(pk=session.pk).update(**fields)
        session.refresh_from_db()
    return session


def listed(client: Client, path: str, query: dict[str, Any], sessions: list[Session]) -> list[int]:
    """Return which of the sessions a list shows, by their place here, in its order."""
    text = client.get(path, query).content.decode()
    places = [(text.find(f'id="session-{s.pk}"'), n) for n, s in enumerate(sessions)]
    return [n for at, n in sorted(places) if at >= 0]


def three(agent: Agent) -> list[Session]:
    """An old short one, a long one with errors, a new one that is quiet."""
    return [
        change(make_session(agent, subject="ada"), created_at=NOW - timedelta(days=9)),
        change(
            make_session(agent, subject="eve", directive_version=3, status="completed"),
            created_at=NOW - timedelta(days=5),
            turn_count=12,
            error_count=2,
        ),
        change(
            make_session(agent),
            created_at=NOW - timedelta(days=1),
            last_turn_at=NOW - timedelta(days=1),
        ),
    ]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, {0, 1, 2}),
        ({"subject": "ada"}, {0}),
        ({"status": "completed"}, {1}),
        ({"not_status": "completed"}, {0, 2}),
        ({"directive_version": "3"}, {1}),
        ({"has_errors": "true"}, {1}),
        ({"has_errors": "false"}, {0, 2}),
        ({"min_turns": "12"}, {1}),
        ({"min_turns": "13"}, set()),
        ({"created_after": (NOW - timedelta(days=6)).isoformat()}, {1, 2}),
        ({"created_before": (NOW - timedelta(days=6)).strftime("%Y-%m-%dT%H:%M")}, {0}),
        ({"last_turn_before": (NOW - timedelta(hours=2)).isoformat()}, {2}),
        ({"last_turn_after": (NOW - timedelta(hours=2)).isoformat()}, {0, 1}),
        ({"min_turns": "many"}, set()),
        ({"colour": "red"}, set()),
        ({"status": "asleep"}, set()),
    ],
)
def test_sessions_are_narrowed(
    world: World, sign_in: SignIn, query: dict[str, str], found: set[int]
) -> None:
    sessions = three(world.scout)
    client = sign_in(world.alice)
    for path in ("/sessions/", f"/agents/{world.scout.pk}/sessions/"):
        assert set(listed(client, path, query, sessions)) == found, path


def test_a_list_is_ordered_as_asked(world: World, sign_in: SignIn) -> None:
    sessions, client = three(world.scout), sign_in(world.alice)
    assert listed(client, "/sessions/", {}, sessions) == [2, 1, 0]
    assert listed(client, "/sessions/", {"sort": "oldest"}, sessions) == [0, 1, 2]
    assert listed(client, "/sessions/", {"sort": "last_turn"}, sessions) == [1, 0, 2]
    assert listed(client, "/sessions/", {"sort": "quietest"}, sessions) == [2, 0, 1]
    agent = f"/agents/{world.scout.pk}/sessions/"
    assert listed(client, agent, {}, sessions) == [1, 0, 2]


def failing(agent: Agent, *codes: str) -> Session:
    session = make_session(agent, error_count=len(codes))
    for code in codes:
        make_call(agent, session_id=session.pk, status=502, error_code=code)
    return session


def options(text: str, name: str) -> list[tuple[str, str]]:
    """Return what a facet of a page offers, with its counts."""
    menu = text.split(f'facet-name">{name} ')[1].split("</ul>", maxsplit=1)[0]
    return re.findall(r'<span>(.*?)</span><span class="quiet num">(.*?)</span>', menu)


def test_sessions_are_narrowed_by_the_errors_that_occur(world: World, sign_in: SignIn) -> None:
    slow, both = "PROVIDER_TIMEOUT", ("PROVIDER_TIMEOUT", "RATE_LIMITED")
    sessions = [failing(world.scout, slow), failing(world.scout, *both), failing(world.scout)]
    failing(world.spy, "ELSEWHERE")
    client = sign_in(world.alice)
    for path in ("/sessions/", f"/agents/{world.scout.pk}/sessions/"):
        text = client.get(path).content.decode()
        assert options(text, "Error") == [(slow, "2"), ("RATE_LIMITED", "1")], path
        assert set(listed(client, path, {"error": slow}, sessions)) == {0, 1}, path
        assert set(listed(client, path, {"error": "RATE_LIMITED"}, sessions)) == {1}, path
        assert set(listed(client, path, {"not_error": "RATE_LIMITED"}, sessions)) == {0, 2}, path
        assert set(listed(client, path, {"error": "ELSEWHERE"}, sessions)) == set(), path
    text = client.get("/sessions/", {"subject": "nobody"}).content.decode()
    assert options(text, "Error") == []


def test_an_error_leads_to_the_sessions_with_it(world: World, sign_in: SignIn) -> None:
    session, client = failing(world.scout, "a & b"), sign_in(world.alice)
    record_turn(session, "Hello")
    cell = client.get("/sessions/").content.decode().split('data-label="Errors"')[1]
    assert 'href="?error=a+%26+b"' in cell
    assert 'href="?not_error=a+%26+b"' in cell

    page = client.get(f"/sessions/{session.pk}/").content.decode()
    assert 'href="/sessions/?error=a+%26+b"' in page
    assert listed(client, "/sessions/?error=a+%26+b", {}, [session]) == [0]


def test_the_sessions_with_an_error_are_ended_together(world: World, sign_in: SignIn) -> None:
    sessions = [failing(world.scout, "RATE_LIMITED"), failing(world.scout, "peer")]
    client = sign_in(world.alice)
    text = client.get("/sessions/", {"error": "peer"}).content.decode()
    signed = text.split('name="query" value="')[1].split('"')[0]
    sent = {"scope": "query", "query": signed, "expected": "1", "reason": "Over"}
    assert confirm(client, sent).status_code == 302
    assert statuses(world, sessions) == ["active", "completed"]


def test_an_agents_list_holds_no_other_agents(world: World, sign_in: SignIn) -> None:
    other = create_agent(
        org=world.acme, name="Other", slug="other", memory_scope="agent", actor=TESTS
    )
    mine, theirs = make_session(world.scout), make_session(other)
    client = sign_in(world.alice)
    path = f"/agents/{world.scout.pk}/sessions/"
    assert listed(client, path, {"agent_id": str(other.pk)}, [mine, theirs]) == [0]
    assert listed(client, "/sessions/", {"agent_id": str(other.pk)}, [mine, theirs]) == [1]


def test_a_row_says_what_there_is_to_know(world: World, sign_in: SignIn) -> None:
    session = make_session(
        world.scout,
        subject="ada",
        directive_version=7,
        error_count=3,
        tokens_in=1_234,
        tokens_out=56,
        archive_version=2,
        created_at=NOW - timedelta(hours=3, minutes=1),
    )
    text = sign_in(world.alice).get("/sessions/").content.decode().split(f"session-{session.pk}")[1]
    for words in ("ada", "live", "3 h", "1,234 in", "56 out", "> 3<", ">7<", ">v2<"):
        assert words in text, words
    quiet = change(session, last_turn_at=NOW - timedelta(minutes=2))
    text = sign_in(world.alice).get("/sessions/").content.decode().split(f"session-{quiet.pk}")[1]
    assert "state live" not in text
    assert "active" in text


def test_a_session_is_peeked_into(world: World, sign_in: SignIn, story: Story) -> None:
    address = f"/sessions/{story.session.pk}/peek/"
    text = sign_in(world.alice).get(address).content.decode()
    assert "<html" not in text
    assert "When do we ship?" in text
    assert "On Fridays." in text
    assert sign_in(world.mallory).get(address).status_code == 404


def confirm(client: Client, sent: dict[str, Any]) -> Any:
    return client.post(reverse("terminate-sessions"), sent)


def statuses(world: World, sessions: list[Session]) -> list[str]:
    with tenant(world.acme):
        return [str(Session.objects.get(pk=session.pk).status) for session in sessions]


def test_many_are_terminated_after_a_page_that_says_which(world: World, sign_in: SignIn) -> None:
    sessions = [make_session(world.scout) for _ in range(3)]
    client, chosen = sign_in(world.alice), [str(session.pk) for session in sessions[:2]]
    page = confirm(client, {"scope": "ids", "ids": chosen})
    assert b"Terminate 2 sessions" in page.content
    assert statuses(world, sessions) == ["active"] * 3
    done = confirm(client, {"scope": "ids", "ids": chosen, "expected": "2", "reason": "Too old"})
    assert done.status_code == 302
    assert statuses(world, sessions) == ["completed", "completed", "active"]
    with tenant(world.acme):
        audits = AuditEvent.objects.filter(action="session.complete", reason="Too old")
        assert audits.count() == 2


def test_all_that_match_are_terminated_and_no_others(world: World, sign_in: SignIn) -> None:
    ada, eve = make_session(world.scout, subject="ada"), make_session(world.scout, subject="eve")
    client = sign_in(world.alice)
    path = f"/agents/{world.scout.pk}/sessions/"
    text = client.get(path, {"subject": "ada"}).content.decode()
    signed = text.split('name="query" value="')[1].split('"')[0]
    sent = {"scope": "query", "query": signed}
    assert b"Terminate 1 session" in confirm(client, sent).content
    make_session(world.scout, subject="ada")
    refused = confirm(client, {**sent, "expected": "1", "reason": "Over"})
    assert refused.status_code == 409
    assert statuses(world, [ada, eve]) == ["active", "active"]
    assert confirm(client, {**sent, "expected": "2", "reason": "Over"}).status_code == 302
    assert statuses(world, [ada, eve]) == ["completed", "active"]


def test_very_many_become_a_job_that_spares_what_began_later(
    world: World, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "IN_REQUEST", 2)
    monkeypatch.setattr("jobs.bulk.CHUNK", 2)
    sessions = [make_session(world.scout, subject="ada") for _ in range(5)]
    kept = make_session(world.scout, subject="eve")
    with tenant(world.acme):
        rows = Session.objects.filter(org=world.acme)
        signed = SessionFilter({"subject": "ada"}, rows, org_id=world.acme.pk).signed()
    sent = {"scope": "query", "query": signed, "expected": "5", "reason": "Over"}
    answer = confirm(sign_in(world.alice), sent)
    assert answer["Location"].startswith("/jobs/")
    later = make_session(world.scout, subject="ada", created_at=NOW + timedelta(days=1))
    with tenant(world.acme):
        job = Job.objects.get(kind="sessions.bulk")
    run_job(org_id=world.acme.pk, job_id=job.pk)
    with tenant(world.acme):
        job.refresh_from_db()
    assert (job.state, job.done, job.failed) == ("done", 5, 0)
    assert job.result == {"sessions_changed": 5}
    assert statuses(world, sessions) == ["completed"] * 5
    assert statuses(world, [kept, later]) == ["active", "active"]


def test_a_viewer_and_another_org_terminate_nothing(world: World, sign_in: SignIn) -> None:
    session = make_session(world.scout)
    sent = {"scope": "ids", "ids": [str(session.pk)], "expected": "1", "reason": "Mine now"}
    assert confirm(sign_in(world.member("viewer")), sent).status_code == 403
    assert confirm(sign_in(world.mallory), sent).status_code == 409
    assert statuses(world, [session]) == ["active"]
    assert confirm(sign_in(world.alice), sent).status_code == 302
    assert statuses(world, [session]) == ["completed"]


def test_a_long_session_costs_as_many_queries_as_a_short_one(
    world: World, sign_in: SignIn, django_assert_num_queries: Any
) -> None:
    session = make_session(world.scout)
    record_turn(session, "Hello")
    client, path = sign_in(world.alice), f"/sessions/{session.pk}/"
    client.get(path)
    for _ in range(2):
        with django_assert_num_queries(14):
            client.get(path)
        for number in range(30):
            record_turn(session, f"Said {number}")


def test_a_filter_of_an_agents_sessions_is_saved_as_a_view(world: World, sign_in: SignIn) -> None:
    sessions, client = three(world.scout), sign_in(world.alice)
    path = f"/agents/{world.scout.pk}/sessions/"
    page = client.get(path, {"has_errors": "true"}).content.decode()
    signed = page.split('name="query" value="')[1].split('"')[0]
    sent = {"path": path, "query": signed, "name": "Broken"}
    view = client.post(reverse("save-view"), sent)["Location"]
    assert view.startswith(path)
    text = client.get(view).content.decode()
    assert "Broken" in text
    assert [f"session-{session.pk}" in text for session in sessions] == [False, True, False]


def test_a_long_error_goes_on_in_the_next_line(world: World, sign_in: SignIn) -> None:
    failing(world.scout, "PROVIDER_<b>_GONE")
    text = sign_in(world.alice).get("/sessions/").content.decode()
    assert ">PROVIDER_<wbr>&lt;b&gt;_<wbr>GONE</a>" in text
