"""Turns that could not be learned from, in the console: seen, narrowed, tried again."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from agents.services import create_agent
from ibex import selection
from ibex.ids import uuid7
from ibex.tenancy import tenant
from jobs.models import Job
from jobs.running import run_job
from memories.models import DeadLetter
from orgs.models import AuditEvent
from sessions.models import Session
from tests.api.rows import make_dead_letter, make_session
from tests.conftest import TESTS, SignIn, World

PATH = "/dead-letters/"


def results(client: Client, **query: str) -> str:
    answer = client.get(PATH, query)
    assert answer.status_code == 200
    return answer.content.decode().split('id="results"')[1]


@pytest.fixture
def session(world: World) -> Session:
    return make_session(world.scout, "chat-0391")


def test_a_dead_letter_names_its_turns_and_why(
    world: World, sign_in: SignIn, session: Session
) -> None:
    client = sign_in(world.alice)
    assert "Everything could be learned from" in results(client)
    make_dead_letter(session)
    page = results(client)
    assert f'href="/sessions/{session.pk}/?begin=0#turn-0"' in page
    for words in ("The answer did not fit the schema", "llm-1/gpt", "chat-0391", "Scout"):
        assert words in page
    assert "chat-0391" not in results(sign_in(world.mallory))


def test_it_is_narrowed_by_status_reason_agent_and_session(
    world: World, sign_in: SignIn, session: Session
) -> None:
    letter = make_dead_letter(session)
    other = create_agent(
        org=world.acme, name="Other", slug="other", memory_scope="agent", actor=TESTS
    )
    client = sign_in(world.alice)
    for query, is_there in [
        ({"status": "open"}, True),
        ({"status": "resolved"}, False),
        ({"reason": "schema"}, True),
        ({"reason": "refusal"}, False),
        ({"not_reason": "schema"}, False),
        ({"agent": str(world.scout.pk)}, True),
        ({"agent": str(other.pk)}, False),
        ({"session": str(session.pk)}, True),
        ({"session": str(other.pk)}, False),
    ]:
        assert (f"letter-{letter.pk}" in results(client, **query)) == is_there, query
    assert client.get(PATH, {"colour": "red"}).status_code == 400


def post(client: Client, *letters: DeadLetter, **fields: Any) -> Any:
    form = {"scope": "ids", "ids": [str(letter.pk) for letter in letters], **fields}
    return client.post(reverse("retry-dead-letters"), form)


def is_due(letter: DeadLetter) -> bool:
    with tenant(letter.org_id):
        return DeadLetter.objects.get(pk=letter.pk).retry_after is not None


def test_chosen_ones_are_retried_after_a_page_that_says_which(
    world: World, sign_in: SignIn, session: Session
) -> None:
    letter, kept = make_dead_letter(session), make_dead_letter(session)
    client = sign_in(world.alice)
    page = post(client, letter)
    assert "Workers read their turns again" in page.content.decode()
    assert not is_due(letter)
    answer = post(client, letter, expected="1", reason="The model is back")
    assert answer.status_code == 302
    assert (is_due(letter), is_due(kept)) == (True, False)
    with tenant(world.acme):
        event = AuditEvent.objects.get(action="dead_letter.retry")
    assert (event.reason, event.actor_id) == ("The model is back", world.alice.pk)
    again = client.get(PATH).content.decode()
    assert "Due again: 1 dead letter." in again
    assert "due " in again.split('id="results"')[1]


def test_very_many_become_a_job(
    world: World, sign_in: SignIn, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = [make_dead_letter(session) for _ in range(2)]
    monkeypatch.setattr(selection, "IN_REQUEST", 1)
    answer = post(sign_in(world.alice), *letters, expected="2", reason="All of them")
    assert not any(is_due(letter) for letter in letters)
    with tenant(world.acme):
        job = Job.objects.get()
    assert answer["Location"] == f"/jobs/{job.pk}/"
    run_job(org_id=world.acme.pk, job_id=job.pk)
    with tenant(world.acme):
        job.refresh_from_db()
    assert (job.state, job.done, job.failed) == ("done", 2, 0)
    assert all(is_due(letter) for letter in letters)


def test_mallory_retries_nothing_of_acme(world: World, sign_in: SignIn, session: Session) -> None:
    letter = make_dead_letter(session)
    post(sign_in(world.mallory), letter, expected="1", reason="Mine now")
    assert not is_due(letter)
    post(sign_in(world.alice), letter, expected="1", reason="Ours")
    assert is_due(letter)


@pytest.mark.parametrize(("role", "status"), [("admin", 200), ("member", 403), ("viewer", 403)])
def test_who_may_not_manage_jobs_sees_none(
    world: World, sign_in: SignIn, session: Session, role: str, status: int
) -> None:
    letter = make_dead_letter(session)
    client = sign_in(world.member(role))
    assert client.get(PATH).status_code == status
    post(client, letter, expected="1", reason="Why not")
    assert is_due(letter) == (status == 200)


def test_the_overview_says_how_many_wait(world: World, sign_in: SignIn, session: Session) -> None:
    link = f'href="{PATH}?status=open"'
    assert link not in sign_in(world.alice).get("/").content.decode()
    make_dead_letter(session)
    page = sign_in(world.alice).get("/").content.decode()
    assert link in page
    assert "1 not learned from" in page
    page = sign_in(world.member("viewer")).get("/").content.decode()
    assert "1 not learned from" in page
    assert link not in page


def test_the_list_costs_the_same_however_many_there_are(
    world: World, sign_in: SignIn, session: Session, django_assert_num_queries: Any
) -> None:
    client = sign_in(world.alice)
    make_dead_letter(session)
    client.get(PATH)
    for _ in range(2):
        with django_assert_num_queries(12):
            client.get(PATH)
        for _ in range(4):
            make_dead_letter(make_session(world.scout, str(uuid7())))


def test_one_is_looked_at_beside_the_list(world: World, sign_in: SignIn, session: Session) -> None:
    letter = make_dead_letter(session)
    address = f"{PATH}{letter.pk}/peek/"
    client = sign_in(world.alice)
    assert f'data-peek="{address}"' in results(client)
    part = client.get(address).content.decode()
    assert "<html" not in part
    for words in ("The answer did not fit the schema", "chat-0391", "llm-1/gpt", "Retry…"):
        assert words in part
    assert sign_in(world.mallory).get(address).status_code == 404
