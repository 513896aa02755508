"""Agents are made, configured, paused, served again and retired from the console."""

from typing import Any

import pytest
from django.test import Client

from agents.models import Agent
from agents.services import archive_agent
from ibex.ids import uuid7
from ibex.tenancy import tenant
from orgs.models import AuditEvent
from tests.conftest import TESTS, SignIn, World
from tests.console.conftest import Story
from tests.console.forms import fields_in, filled

NEW = {
    "name": "Support",
    "slug": "support",
    "memory_scope": "subject",
    "memory_enabled": "on",
    "max_injected_memories": "5",
    "memory_budget_tokens": "900",
    "memory_position": "last_user",
}


@pytest.fixture
def alice(world: World, sign_in: SignIn) -> Client:
    return sign_in(world.alice)


def fresh(world: World, agent: Agent | None = None) -> Agent:
    with tenant(world.acme):
        return Agent.objects.get(pk=(agent or world.scout).pk)


def test_an_operator_creates_an_agent(world: World, alice: Client) -> None:
    answer = alice.post("/agents/new/", NEW, follow=True)
    assert answer.status_code == 200
    assert b"Support can be used now." in answer.content
    with tenant(world.acme):
        agent = Agent.objects.get(slug="support")
    assert (agent.memory_scope, agent.max_injected_memories) == ("subject", 5)
    assert not agent.extraction_enabled  # an unticked box is no


def test_the_memory_scope_is_explained_and_has_no_default(world: World, alice: Client) -> None:
    text = alice.get("/agents/new/").content.decode()
    scope = text.split('id="memory-scope"')[1].split("</fieldset>")[0]
    assert "Each end user has memories of their own" in scope
    assert "checked" not in scope
    answer = alice.post("/agents/new/", {**NEW, "memory_scope": ""})
    assert answer.status_code == 400
    assert b"Choose who shares what the agent learns." in answer.content
    assert b'value="Support"' in answer.content  # what was typed is kept


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("slug", "Not A Slug"),
        ("slug", "scout"),
        ("memory_scope", "everyone"),
        ("max_injected_memories", "201"),
        ("memory_budget_tokens", "-1"),
        ("memory_position", "nowhere"),
    ],
)
def test_a_wrong_value_creates_nothing(world: World, alice: Client, field: str, value: str) -> None:
    assert alice.post("/agents/new/", {**NEW, field: value}).status_code == 400
    with tenant(world.acme):
        assert Agent.objects.count() == 1


def test_the_same_form_twice_makes_one_agent(world: World, alice: Client) -> None:
    alice.post("/agents/new/", NEW)
    assert alice.post("/agents/new/", NEW).status_code == 400
    with tenant(world.acme):
        assert Agent.objects.filter(slug="support").count() == 1


def settings_path(world: World) -> str:
    return f"/agents/{world.scout.pk}/settings/"


CONFIGURED = {
    "description": "Scouts",
    "extraction_enabled": None,
    "max_injected_memories": "5",
    "memory_budget_tokens": "900",
}


def test_an_operator_configures_an_agent(world: World, alice: Client) -> None:
    path = settings_path(world)
    answer = alice.post(
        path, {**filled(alice, path, **CONFIGURED), "memory_scope": "subject"}, follow=True
    )
    assert b"Saved." in answer.content
    agent = fresh(world)
    assert (agent.description, agent.memory_budget_tokens) == ("Scouts", 900)
    assert agent.memory_scope == "agent"  # never changes, whatever is posted
    with tenant(world.acme):
        event = AuditEvent.objects.get(action="agent.update")
    assert set(event.after) == set(CONFIGURED)
    again = alice.post(path, filled(alice, path), follow=True)
    assert b"Nothing to change." in again.content


def test_an_old_form_takes_nothing_back_and_shows_what_changed(world: World, alice: Client) -> None:
    path = settings_path(world)
    mine = filled(alice, path, name="Pathfinder", description="Mine")
    theirs = filled(alice, path, max_injected_memories="7", memory_enabled=None)
    assert alice.post(path, theirs).status_code == 302
    refused = alice.post(path, mine)
    text = refused.content.decode()
    assert refused.status_code == 409
    assert "Somebody changed the settings of Scout meanwhile." in text
    assert "<dt>Recall</dt>" in text
    assert '<del dir="auto">20</del> <span class="quiet">now</span> <ins dir="auto">7</ins>' in text
    assert "<dt>Description</dt>" not in text
    assert fresh(world).name == "Scout"
    again = fields_in(refused.content, path)
    assert (again["name"], again["description"]) == ("Pathfinder", "Mine")
    assert again["max_injected_memories"] == "7"
    assert "memory_enabled" not in again
    assert alice.post(path, again).status_code == 302
    agent = fresh(world)
    assert (agent.name, agent.max_injected_memories, agent.memory_enabled) == (
        "Pathfinder",
        7,
        False,
    )


def test_the_same_settings_sent_twice_are_written_once(world: World, alice: Client) -> None:
    path = settings_path(world)
    sent = filled(alice, path, name="Pathfinder")
    assert alice.post(path, sent).status_code == 302
    assert alice.post(path, sent).status_code == 409
    with tenant(world.acme):
        assert AuditEvent.objects.filter(action="agent.update").count() == 1


def test_settings_without_a_version_are_not_written(world: World, alice: Client) -> None:
    sent = filled(alice, settings_path(world), name="Pathfinder")
    del sent["base_version"]
    assert alice.post(settings_path(world), sent).status_code == 400
    assert fresh(world).name == "Scout"


def test_a_pause_meanwhile_is_no_reason_to_lose_what_was_typed(world: World, alice: Client) -> None:
    path = settings_path(world)
    sent = filled(alice, path, name="Pathfinder")
    alice.post(f"/agents/{world.scout.pk}/pause/")
    refused = alice.post(path, sent)
    assert refused.status_code == 409
    assert b"Nothing that this form shows." in refused.content
    assert alice.post(path, fields_in(refused.content, path)).status_code == 302
    assert (fresh(world).name, fresh(world).status) == ("Pathfinder", "paused")


def test_a_pause_is_done_at_once_and_can_be_undone(world: World, alice: Client) -> None:
    path = f"/agents/{world.scout.pk}"
    answer = alice.post(f"{path}/pause/", follow=True)
    assert fresh(world).status == "paused"
    undo = answer.content.decode().split("data-undo")[0].rsplit('action="', 1)[1].split('"')[0]
    assert undo == f"{path}/activate/"
    alice.post(undo)
    assert fresh(world).status == "active"


def test_archiving_names_the_agent_wants_a_reason_and_is_final(
    world: World, alice: Client, story: Story
) -> None:
    path = f"/agents/{world.scout.pk}/archive/"
    text = alice.get(path).content.decode()
    assert "Archive <bdi>Scout</bdi>?" in text
    assert "1 memories" in text
    assert alice.post(path, {"reason": ""}).status_code == 400
    assert fresh(world).status == "active"
    alice.post(path, {"reason": "Replaced"})
    assert fresh(world).status == "archived"
    assert alice.post(path, {"reason": "Again"}).status_code == 409
    assert alice.post(f"/agents/{world.scout.pk}/activate/").status_code == 409
    settings = settings_path(world)
    answer = alice.post(settings, filled(alice, settings, name="Pathfinder"))
    assert answer.status_code == 409
    assert b"Scout is archived, which is final." in answer.content


PATHS = ["settings", "pause", "activate", "archive"]


@pytest.mark.parametrize("action", PATHS)
def test_a_viewer_changes_nothing_and_is_told_why(
    world: World, sign_in: SignIn, action: str
) -> None:
    viewer = sign_in(world.member("viewer"))
    path = f"/agents/{world.scout.pk}/{action}/"
    assert viewer.post(path, {"name": "Pathfinder", "reason": "Because"}).status_code == 403
    assert fresh(world).status == "active"
    assert viewer.post("/agents/new/", NEW).status_code == 403
    page = viewer.get(f"/agents/{world.scout.pk}/settings/").content.decode()
    assert "Your role, viewer, does not configure agents." in page
    assert (
        "Your role, viewer, does not create agents." in viewer.get("/agents/new/").content.decode()
    )


@pytest.mark.parametrize("action", PATHS)
def test_another_orgs_agent_is_missing(
    world: World, sign_in: SignIn, alice: Client, action: str
) -> None:
    mallory = sign_in(world.mallory)
    path = f"/agents/{world.scout.pk}/{action}/"
    assert mallory.post(path, {"name": "Stolen", "reason": "Because"}).status_code == 404
    assert fresh(world).status == "active"
    assert fresh(world).name == "Scout"
    for page in ("settings", "peek", "archive"):
        assert mallory.get(f"/agents/{world.scout.pk}/{page}/").status_code == 404
        assert alice.get(f"/agents/{world.scout.pk}/{page}/").status_code == 200
    assert (
        alice.get(
            f"/agents/{uuid7()}/{'settings' if action == 'settings' else 'archive'}/"
        ).status_code
        == 404
    )


@pytest.mark.parametrize("action", PATHS)
def test_anonymous_is_asked_to_sign_in(world: World, action: str) -> None:
    assert Client().post(f"/agents/{world.scout.pk}/{action}/").status_code == 302
    assert fresh(world).status == "active"


def test_a_peek_is_a_fragment(world: World, alice: Client, story: Story) -> None:
    text = alice.get(f"/agents/{world.scout.pk}/peek/").content.decode()
    assert "<html" not in text
    assert "1 active" in text
    assert "version 1" in text
    row = alice.get("/agents/").content.decode()
    assert f'data-peek="/agents/{world.scout.pk}/peek/"' in row


def test_an_archived_agent_shows_disabled_controls(world: World, alice: Client) -> None:
    archive_agent(agent=world.scout, actor=TESTS)
    text = alice.get(f"/agents/{world.scout.pk}/settings/").content.decode()
    assert "An archived agent is final" in text
    assert "/pause/" not in text


def test_agent_pages_read_a_fixed_number_of_queries(
    world: World, alice: Client, story: Story, django_assert_num_queries: Any
) -> None:
    alice.get("/agents/")
    for page, count in {"settings": 8, "peek": 8, "archive": 10}.items():
        with django_assert_num_queries(count, info=page):
            alice.get(f"/agents/{world.scout.pk}/{page}/")
