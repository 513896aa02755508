"""One filter serves the page, the API and the bulk action, and never ignores what it cannot read."""

from typing import Any

import pytest
from django.http import QueryDict

from agents.filters import AgentFilter
from agents.models import Agent
from agents.services import create_agent, pause_agent
from ibex import filtering
from ibex.filtering import ListFilter, StaleFilter
from ibex.tenancy import tenant
from sessions.filters import SessionFilter
from sessions.models import Session
from tests.conftest import TESTS, SignIn, World


@pytest.fixture(autouse=True)
def console_urls(settings: Any) -> None:
    settings.ROOT_URLCONF = "ibex.urls.dashboard"


def make_agents(world: World) -> None:
    for name, scope in (("Billing", "subject"), ("Support", "agent"), ("Sleeper", "agent")):
        agent = create_agent(
            org=world.acme, name=name, slug=name.lower(), memory_scope=scope, actor=TESTS
        )
    pause_agent(agent=agent, actor=TESTS)


def names(filters: ListFilter) -> set[str]:
    return {agent.name for agent in filters.rows}


def agent_filter(world: World, query: str = "", **options: Any) -> AgentFilter:
    return AgentFilter(QueryDict(query), Agent.objects.all(), org_id=world.acme.pk, **options)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"Scout", "Billing", "Support", "Sleeper"}),
        ("status=paused", {"Sleeper"}),
        ("not_status=paused", {"Scout", "Billing", "Support"}),
        ("memory_scope=subject&name=BILL", {"Billing"}),
        ("name=&status=", {"Scout", "Billing", "Support", "Sleeper"}),
        ("name=s&not_memory_scope=subject&status=active", {"Scout", "Support"}),
    ],
)
def test_rows_are_narrowed(world: World, query: str, found: set[str]) -> None:
    make_agents(world)
    with tenant(world.acme):
        assert names(agent_filter(world, query)) == found


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("colour=red", "colour"),
        ("status=asleep", "status"),
        ("status=active&status=paused", "status"),
        ("name=" + "x" * 300, "name"),
        ("name=%00", "name"),
    ],
)
def test_what_cannot_be_read_is_named_and_finds_nothing(
    world: World, sign_in: SignIn, query: str, problem: str
) -> None:
    with tenant(world.acme):
        filters = agent_filter(world, query)
        assert list(filters.problems) == [problem]
        assert names(filters) == set()
    client = sign_in(world.alice)
    assert b"Scout" in client.get("/agents/").content
    answer = client.get(f"/agents/?{query}")
    assert answer.status_code == 400
    assert b"Scout" not in answer.content
    assert b'role="alert"' in answer.content


def test_the_canonical_form_is_sorted_and_leaves_out_what_is_empty(world: World) -> None:
    with tenant(world.acme):
        one = agent_filter(world, "status=active&name=%20Sco%20&memory_scope=&cursor=abc&peek=1")
        assert one.canonical == "name=Sco&status=active"
        assert one.words == "Name contains “Sco”, Status is active"
        assert agent_filter(world).words == "no filter: all of them"
        assert agent_filter(world, "not_status=paused").words == "Status is not paused"


def test_a_signed_filter_is_rebuilt_for_its_own_list_and_organization_only(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OtherFilter(AgentFilter):
        pass

    make_agents(world)
    rows = Agent.objects.all()
    with tenant(world.acme):
        signed = agent_filter(world, "status=paused").signed()
        assert names(AgentFilter.unsigned(signed, rows, org_id=world.acme.pk)) == {"Sleeper"}
        for text in ("", "nonsense", signed[:-1] + ("a" if signed[-1] != "a" else "b")):
            with pytest.raises(StaleFilter):
                AgentFilter.unsigned(text, rows, org_id=world.acme.pk)
        with pytest.raises(StaleFilter):
            OtherFilter.unsigned(signed, rows, org_id=world.acme.pk)
        with pytest.raises(StaleFilter):
            AgentFilter.unsigned(signed, rows, org_id=world.elsewhere.pk)
        monkeypatch.setattr(filtering, "SIGNED_FOR_S", -1)
        with pytest.raises(StaleFilter):
            AgentFilter.unsigned(signed, rows, org_id=world.acme.pk)


def test_facets_count_what_the_other_filters_leave_in_one_query(
    world: World, django_assert_num_queries: Any
) -> None:
    make_agents(world)
    with tenant(world.acme):
        filters = agent_filter(world, "status=paused")
        with django_assert_num_queries(1):
            facets = {facet.name: facet for facet in filters.facet_list}
    counts = {option.value: option.count for option in facets["status"].options}
    assert counts == {"active": "3", "paused": "1", "archived": "0"}
    scopes = {option.value: option.count for option in facets["memory_scope"].options}
    assert scopes == {"agent": "1", "subject": "0"}
    assert facets["status"].chosen is not None
    assert facets["status"].chosen.query == "status=paused"
    assert facets["status"].query == ""
    assert facets["memory_scope"].options[0].query == "memory_scope=agent&status=paused"


def test_facets_of_a_large_list_are_counted_from_a_sample(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_agents(world)
    monkeypatch.setattr(filtering, "SAMPLE", 1)
    with tenant(world.acme):
        status = agent_filter(world).facet_list[0]
    assert sorted(option.count for option in status.options)[:1] == [""]
    assert all(not option.count or option.count.endswith("+") for option in status.options)


def test_a_facet_offers_a_few_agents_and_the_chosen_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filtering, "MAX_AGENTS", 2)
    make_agents(world)
    with tenant(world.acme):
        last = Agent.objects.order_by("name").last()
        rows = Session.objects.filter(org=world.acme)
        plain = SessionFilter(QueryDict(), rows, org_id=world.acme.pk)
        chosen = SessionFilter(QueryDict(f"agent_id={last.pk}"), rows, org_id=world.acme.pk)
        few, more = (
            next(facet for facet in filters.facet_list if facet.name == "agent_id")
            for filters in (plain, chosen)
        )
    assert len(few.options) == 2
    assert last.name not in {option.label for option in few.options}
    assert [option.label for option in more.options] == [
        *(option.label for option in few.options),
        last.name,
    ]
    assert more.chosen.label == last.name


def test_a_page_shows_facets_conditions_and_click_to_filter(world: World, sign_in: SignIn) -> None:
    make_agents(world)
    text = sign_in(world.alice).get("/agents/?status=paused&name=e").content.decode()
    assert "Sleeper" in text
    assert "Support" not in text
    assert 'href="/agents/?name=e&amp;status=active"' in text  # the facet keeps the words
    assert 'href="/agents/?name=e"' in text  # the chip takes only its own condition away
    assert 'href="?name=e&amp;not_status=paused"' in text  # click-to-filter on the cell
    assert '<input type="hidden" name="status" value="paused" form="search">' in text


def test_htmx_gets_only_the_results_and_the_address(world: World, sign_in: SignIn) -> None:
    answer = sign_in(world.alice).get("/agents/?name=Sco&status=", headers={"HX-Request": "true"})
    assert answer.content.decode().lstrip().startswith('<div id="results"')
    assert answer["HX-Push-Url"] == "/agents/?name=Sco"
    assert "HX-Request" in answer["Vary"]


def test_looking_again_at_the_same_address_adds_no_history(world: World, sign_in: SignIn) -> None:
    shown = {"HX-Request": "true", "HX-Current-URL": "http://testserver/agents/?name=Sco"}
    client = sign_in(world.alice)
    assert "HX-Push-Url" not in client.get("/agents/?name=Sco", headers=shown)
    assert client.get("/agents/?name=Spy", headers=shown)["HX-Push-Url"] == "/agents/?name=Spy"
