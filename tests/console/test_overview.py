"""The overview: an organization's agents, and choosing between organizations."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse

from agents.models import Agent
from agents.services import pause_agent
from ibex import counts
from ibex.tenancy import tenant
from memories.models import Memory
from orgs.members import add_member
from orgs.models import Membership, Operator, Organization
from tests.api.rows import make_memory, make_session
from tests.conftest import PASSWORD, TESTS, SignIn, World
from tests.console.test_steer_agents import NEW


def page(client: Client, path: str = "/") -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_overview_lists_agents_with_what_they_hold(world: World, sign_in: SignIn) -> None:
    make_memory(world.scout, "Ships on Fridays")
    make_memory(world.scout, "Once shipped on Mondays", status="superseded")
    make_session(world.scout, last_turn_at=datetime(2026, 3, 4, 5, 6, tzinfo=UTC))
    pause_agent(agent=world.scout, actor=TESTS)
    text = page(sign_in(world.alice))
    assert "Scout" in text
    assert "paused" in text
    assert "4 Mar 2026, 05:06 UTC" in text
    assert text.count(">1</a></td>") == 2


def test_the_age_of_the_numbers_is_told_in_the_operators_zone(
    world: World, sign_in: SignIn
) -> None:
    Operator.objects.filter(pk=world.alice.pk).update(time_zone="Asia/Tokyo")
    text = page(sign_in(world.alice))
    (utc, shown, after) = re.findall(
        r'as of <time [^>]*title="\S+ (\d\d):[^"]*">(\d\d):[^<]*</time>([^<]*)<', text
    )[0]
    assert (int(utc) + 9) % 24 == int(shown)
    assert after == "."


def test_another_orgs_agents_are_not_there(world: World, sign_in: SignIn) -> None:
    text = page(sign_in(world.mallory))
    assert "Spy" in text
    assert "Scout" not in text


def test_a_large_count_stops_counting(
    world: World, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "CAP", 2)
    for number in range(4):
        make_memory(world.scout, f"Fact {number}")
    assert ">2+</a></td>" in page(sign_in(world.alice))


def test_an_operator_of_two_organizations_chooses(world: World, sign_in: SignIn) -> None:
    add_member(org=world.elsewhere, operator=world.alice, role=Membership.Role.VIEWER, actor=TESTS)
    client = sign_in(world.alice)
    assert "Scout" in page(client)  # Acme comes first by name
    assert "Elsewhere" in page(client, "/organizations/")
    answer = client.post("/organizations/", {"org_id": str(world.elsewhere.pk)})
    assert answer["Location"] == "/"
    text = page(client)
    assert "Spy" in text
    assert "Scout" not in text
    assert "viewer" in text


def test_a_form_of_the_organization_before_changes_nothing_in_this_one(world: World) -> None:
    add_member(org=world.elsewhere, operator=world.alice, role=Membership.Role.OWNER, actor=TESTS)
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.alice)

    def form_token() -> str:
        text = page(client, "/agents/new/")
        return text.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]

    def make(name: str, token: str) -> int:
        sent = {**NEW, "name": name, "slug": name.lower(), "csrfmiddlewaretoken": token}
        return client.post("/agents/new/", sent).status_code

    opened = form_token()
    chosen = {"org_id": str(world.elsewhere.pk), "csrfmiddlewaretoken": opened}
    assert client.post("/organizations/", chosen).status_code == 302
    assert make("Stale", opened) == 403
    assert make("Fresh", form_token()) == 302
    with tenant(world.elsewhere):
        assert set(Agent.objects.values_list("name", flat=True)) == {"Spy", "Fresh"}


def test_a_foreign_organization_cannot_be_chosen(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.mallory)
    for org_id in (world.acme.pk, "nonsense", ""):
        assert client.post("/organizations/", {"org_id": str(org_id)}).status_code == 404
    assert "Scout" not in page(client)


def test_a_lost_membership_leads_to_the_choice_not_into_another_org(
    world: World, sign_in: SignIn
) -> None:
    add_member(org=world.elsewhere, operator=world.alice, role="viewer", actor=TESTS)
    client = sign_in(world.alice)
    client.post("/organizations/", {"org_id": str(world.elsewhere.pk)})
    with tenant(world.elsewhere):
        Membership.objects.filter(operator=world.alice).delete()
    assert client.get("/")["Location"] == reverse("organizations")


def test_an_operator_without_an_organization_is_told_so(db: None, sign_in: SignIn) -> None:
    client = sign_in(Operator.objects.create_user("new@example.com", PASSWORD))
    assert client.get("/")["Location"] == "/organizations/"
    assert "not a member of any organization" in page(client, "/organizations/")


def test_a_suspended_organization_says_so(world: World, sign_in: SignIn) -> None:
    with tenant(world.acme):
        Organization.objects.update(status="suspended")
    assert "Acme is suspended" in page(sign_in(world.alice))


def test_the_tenant_is_left_when_the_page_is_done(world: World, sign_in: SignIn) -> None:
    make_memory(world.scout)
    page(sign_in(world.alice))
    assert not Memory.objects.exists()
    with tenant(world.acme):
        assert Memory.objects.exists()


def test_times_are_of_the_last_turn(world: World, sign_in: SignIn) -> None:
    now = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    make_session(world.scout, last_turn_at=now)
    make_session(world.scout, last_turn_at=now - timedelta(days=3))
    assert "2 Jan 2026, 03:04 UTC" in page(sign_in(world.alice))
