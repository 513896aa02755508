"""A filter is kept under a name, by its operator or for everyone."""

import re
from typing import Any

import pytest
from django.test import Client

from ibex.tenancy import tenant
from orgs.models import SavedView
from tests.conftest import SignIn, World

LIST = "/agents/?status=active"


@pytest.fixture
def alice(world: World, sign_in: SignIn) -> Client:
    return sign_in(world.alice)


def sealed(client: Client, path: str = LIST) -> str:
    text = client.get(path).content.decode()
    form = text.split('action="/views/save/"')[1]
    return re.findall(r'name="query" value="([^"]+)"', form)[0]


def save(client: Client, name: str = "In use", **more: Any) -> Any:
    sent = {"path": "/agents/", "query": sealed(client), "name": name, **more}
    return client.post("/views/save/", sent, follow=True)


def names(world: World) -> list[str]:
    with tenant(world.acme):
        return [view.name for view in SavedView.objects.all()]


def test_a_view_leads_to_its_filter(world: World, alice: Client) -> None:
    answer = save(alice)
    assert answer.redirect_chain[-1][0] == "/agents/?status=active"
    text = answer.content.decode()
    assert "The view “In use” is saved." in text
    assert 'href="/agents/?status=active" aria-current="page"' in text
    assert "Save view" not in text  # only offered for what is not saved yet
    assert "Save view" in alice.get("/agents/?status=paused").content.decode()
    assert "Save view" not in alice.get("/agents/").content.decode()


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/agents/", "status=active"),
        ("/audit/", "action=agent"),
        ("/directives/", "has_directive=no"),
        ("/jobs/", "state=failed"),
        ("/memories/", "status=archived"),
        ("/sessions/", "status=completed"),
        ("/settings/members/", "role=owner"),
        ("/settings/tokens/", "state=active"),
    ],
)
def test_every_list_keeps_views(world: World, alice: Client, path: str, query: str) -> None:
    sent = {"path": path, "query": sealed(alice, f"{path}?{query}"), "name": "Mine"}
    text = alice.post("/views/save/", sent, follow=True).content.decode()
    assert f'href="{path}?{query}" aria-current="page"' in text
    assert 'aria-current="page"' in alice.get(path).content.decode()


def test_a_view_is_ones_own_unless_shared(world: World, alice: Client, sign_in: SignIn) -> None:
    save(alice, "Mine")
    member = sign_in(world.member("member"))
    assert "Mine" not in member.get("/agents/").content.decode()
    alice.get("/agents/?name=s")
    with tenant(world.acme):
        SavedView.objects.update(is_shared=True)
    assert "Mine" in member.get("/agents/").content.decode()
    mallory = sign_in(world.mallory)
    assert "Mine" not in mallory.get("/agents/").content.decode()


def test_a_name_is_needed_and_used_once(world: World, alice: Client) -> None:
    query = sealed(alice)
    for name in ("", "In use", "In use", "x" * 61):
        alice.post("/views/save/", {"path": "/agents/", "query": query, "name": name})
    assert names(world) == ["In use"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("query", "nonsense"), ("path", "//evil.example/"), ("path", "/no/such/"), ("path", "")],
)
def test_what_no_list_signed_is_not_saved(
    world: World, alice: Client, field: str, value: str
) -> None:
    sent = {"path": "/agents/", "query": sealed(alice), "name": "Evil", field: value}
    assert alice.post("/views/save/", sent).status_code == 404
    assert names(world) == []


def test_a_filter_of_another_org_is_not_saved(world: World, alice: Client, sign_in: SignIn) -> None:
    sent = {"path": "/agents/", "query": sealed(alice), "name": "Stolen"}
    assert sign_in(world.mallory).post("/views/save/", sent).status_code == 404
    assert alice.post("/views/save/", sent).status_code == 302


def test_views_are_deleted_by_their_owner_or_an_admin(
    world: World, alice: Client, sign_in: SignIn
) -> None:
    save(alice, "Mine")
    with tenant(world.acme):
        view = SavedView.objects.get()
    path = f"/views/{view.pk}/delete/"
    assert sign_in(world.mallory).post(path).status_code == 404
    assert sign_in(world.member("admin")).post(path).status_code == 404  # it is Alice's own
    assert sign_in(world.member("member")).post(path).status_code == 404
    assert names(world) == ["Mine"]
    assert Client().post(path).status_code == 302
    assert alice.get(path).status_code == 405
    alice.post(path)
    assert names(world) == []
