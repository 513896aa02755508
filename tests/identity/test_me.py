"""What an operator chooses for themselves, and where it shows."""

from datetime import UTC, datetime

import pytest
from django.template import Context, Template
from django.test import Client
from django.utils import timezone

from agents.models import Agent
from ibex.tenancy import tenant
from orgs.members import add_member
from orgs.models import Operator
from tests.conftest import TESTS, SignIn, World
from tests.identity.doors import sign_in_by_password

CHOSEN = {
    "name": "Alice",
    "theme": "dark",
    "density": "compact",
    "time_zone": "Asia/Tokyo",
    "shortcuts": "",
}


def test_preferences_are_kept_and_show_everywhere(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.alice)
    page = client.get("/agents/").content.decode()
    assert 'data-theme-choice="system"' in page
    assert 'data-theme="' not in page
    assert "data-density" not in page
    assert 'data-shortcuts="on"' in page
    answer = client.post("/settings/me/", CHOSEN, follow=True)
    assert b"Your settings are saved." in answer.content
    page = client.get("/agents/").content.decode()
    assert 'data-theme-choice="dark" data-theme="dark" data-density="compact"' in page
    assert 'data-shortcuts="off"' in page


def test_times_are_shown_in_the_operators_zone_with_utc_to_point_at(
    world: World, sign_in: SignIn
) -> None:
    at = datetime(2025, 3, 1, 20, 30, tzinfo=UTC)
    with tenant(world.acme):
        Agent.objects.filter(pk=world.scout.pk).update(created_at=at)
    client = sign_in(world.alice)
    before = client.get(f"/agents/{world.scout.pk}/").content.decode()
    client.post("/settings/me/", CHOSEN)
    after = client.get(f"/agents/{world.scout.pk}/").content.decode()
    assert "1 Mar 2025, 20:30" in before
    assert "2 Mar 2025, 05:30" in after
    assert 'title="2025-03-01 20:30:00 UTC"' in before
    assert 'title="2025-03-01 20:30:00 UTC"' in after
    assert timezone.get_current_timezone_name() == "UTC"


def test_a_full_time_names_its_zone() -> None:
    at = datetime(2025, 7, 1, 12, 0, tzinfo=UTC)
    template = Template("{% load console %}{% moment at %}")
    with timezone.override("Europe/Oslo"):
        assert "1 Jul 2025, 14:00 CEST" in template.render(Context({"at": at}))
    assert "1 Jul 2025, 12:00 UTC" in template.render(Context({"at": at}))


@pytest.mark.parametrize(
    "wrong",
    [
        {"time_zone": "Mars/Olympus"},
        {"time_zone": "../etc/passwd"},
        {"theme": "pink"},
        {"density": "none"},
    ],
)
def test_what_is_none_is_refused_and_changes_nothing(
    world: World, sign_in: SignIn, wrong: dict[str, str]
) -> None:
    client = sign_in(world.alice)
    answer = client.post("/settings/me/", CHOSEN | wrong)
    assert answer.status_code == 200
    assert b"Select a valid choice" in answer.content
    alice = Operator.objects.get(pk=world.alice.pk)
    assert (alice.theme, alice.time_zone, alice.shortcuts) == ("system", "UTC", True)
    assert alice.density == "comfortable"


def test_the_menu_keeps_a_theme(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.alice)
    assert client.post("/settings/me/theme/", {"theme": "light"}).status_code == 204
    assert client.post("/settings/me/theme/", {"theme": "pink"}).status_code == 400
    assert Operator.objects.get(pk=world.alice.pk).theme == "light"
    assert Operator.objects.get(pk=world.mallory.pk).theme == "system"


def test_my_page_asks_who_is_there(world: World) -> None:
    answer = Client().get("/settings/me/")
    assert answer["Location"] == "/accounts/sign-in/?next=/settings/me/"


def test_an_operator_without_an_organization_has_a_page_too(world: World, sign_in: SignIn) -> None:
    alone = Operator.objects.create_user("alone@example.com")
    page = sign_in(alone).get("/settings/me/")
    assert page.status_code == 200
    assert b"Set a password" in page.content


def test_the_chosen_organization_is_remembered_at_the_next_sign_in(world: World) -> None:
    add_member(org=world.elsewhere, operator=world.alice, role="viewer", actor=TESTS)
    first = sign_in_by_password(world.alice)
    assert b"Scout" in first.get("/").content
    assert first.post("/organizations/", {"org_id": str(world.elsewhere.pk)})["Location"] == "/"
    assert b"Spy" in sign_in_by_password(world.alice).get("/").content


def test_a_foreign_organization_cannot_be_chosen(world: World) -> None:
    client = sign_in_by_password(world.alice)
    answer = client.post("/organizations/", {"org_id": str(world.elsewhere.pk)})
    assert answer.status_code == 404
    assert Operator.objects.get(pk=world.alice.pk).chosen_org_id is None
    assert b"Scout" in client.get("/").content
