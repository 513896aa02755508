"""The list of directives: what each agent runs, narrowed and sorted, without any text."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents.models import Agent
from agents.services import create_agent
from directives.models import DirectiveVersion
from directives.services import push_directive, save_draft
from ibex import http
from ibex.tenancy import tenant
from tests.conftest import TESTS, SignIn, World
from tests.directives.test_push_directive import operator
from tests.directives.test_push_status import connect_proxy

LIST = "/directives/"
SECRET = "Never mention Zanzibar."


def make_agent(world: World, name: str, **fields: Any) -> Agent:
    slug = f"agent-{abs(hash(name))}"
    return create_agent(
        org=world.acme, name=name, slug=slug, memory_scope="agent", actor=TESTS, **fields
    )


@pytest.fixture
def alice(world: World, sign_in: SignIn) -> Client:
    """Four agents: pushed by Alice, pushed by a machine, only drafted by Bob, and untouched."""
    billing, support = make_agent(world, "Billing"), make_agent(world, "Support")
    make_agent(world, "Idle")
    push_directive(
        agent=support,
        content=SECRET,
        actor=TESTS,
        reason="Nightly",
        injection_mode="user_prepend",
    )
    push_directive(agent=billing, content=SECRET, actor=operator(world.alice), reason="A start")
    bob = operator(world.member("member"))
    save_draft(agent=world.scout, actor=bob, content=SECRET, base_version=0)
    save_draft(agent=billing, actor=bob, content=SECRET, base_version=1)
    save_draft(agent=billing, actor=operator(world.alice), content=SECRET, base_version=1)
    return sign_in(world.alice)


def listed(client: Client, query: str = "") -> list[str]:
    """Return the names of the agents in the order of the list."""
    text = client.get(f"{LIST}?{query}").content.decode()
    return [part.split("</a>")[0].split(">")[-1] for part in text.split('<th scope="row">')[1:]]


def ago(world: World, name: str, **span: float) -> str:
    """Say the time of an agent's push, moved, as a filter takes it."""
    with tenant(world.acme):
        row = DirectiveVersion.objects.get(directive__agent__name=name)
    return f"{row.created_at + timedelta(**span):%Y-%m-%dT%H:%M:%S.%f}"


def test_the_list_shows_what_each_agent_runs_and_no_text(alice: Client, world: World) -> None:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        text = alice.get(LIST).content.decode()
    row = text.split("Billing")[1].split("</tr>")[0]
    for words in (">1</a>", "23 bytes", "As the first system message", "yours", "Alice", "A start"):
        assert words in row, words
    assert "no proxy connected" in row
    assert "Write the first" in text.split("Idle")[1].split("</tr>")[0]
    assert "a colleague's" in text.split("Scout</a>")[1].split("</tr>")[0]
    assert "Zanzibar" not in text
    asked = [query["sql"] for query in queries if "directives_directiveversion" in query["sql"]]
    assert asked
    assert not any('"directives_directiveversion"."content"' in sql for sql in asked)
    connect_proxy("proxy-here", 2**40)
    assert "1 of 1" in alice.get(LIST).content.decode()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"Scout", "Billing", "Support", "Idle"}),
        ("name=BILL", {"Billing"}),
        ("has_directive=yes", {"Billing", "Support"}),
        ("has_directive=no", {"Scout", "Idle"}),
        ("not_has_directive=no", {"Billing", "Support"}),
        ("injection_mode=user_prepend", {"Support"}),
        ("not_injection_mode=user_prepend", {"Scout", "Billing", "Idle"}),
        ("draft=mine", {"Billing"}),
        ("draft=others", {"Scout"}),
        ("draft=none", {"Support", "Idle"}),
        ("not_draft=none", {"Scout", "Billing"}),
        ("pushed_by=alice", {"Billing"}),
        ("pushed_by=tests", {"Support"}),
        ("pushed_by=nobody", set()),
        ("has_directive=yes&draft=none", {"Support"}),
    ],
)
def test_directives_are_narrowed(alice: Client, query: str, found: set[str]) -> None:
    assert set(listed(alice, query)) == found


def test_directives_are_narrowed_by_the_time_of_the_push(alice: Client, world: World) -> None:
    first = ago(world, "Billing")
    with tenant(world.acme):
        assert DirectiveVersion.objects.count() == 2
    assert set(listed(alice, f"pushed_after={first}Z")) == {"Billing"}
    assert set(listed(alice, f"pushed_before={first}Z")) == {"Support"}
    assert set(listed(alice, f"pushed_before={ago(world, 'Billing', days=1)}Z")) == {
        "Billing",
        "Support",
    }
    assert listed(alice, f"pushed_after={ago(world, 'Billing', days=1)}Z") == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["Idle", "Support", "Billing", "Scout"]),
        ("sort=name", ["Billing", "Idle", "Scout", "Support"]),
        ("sort=pushed&has_directive=yes", ["Billing", "Support"]),
    ],
)
def test_directives_are_sorted(alice: Client, query: str, found: list[str]) -> None:
    assert listed(alice, query) == found


@pytest.mark.parametrize("sort", ["", "name", "pushed"])
def test_each_order_goes_on_page_by_page(
    alice: Client, world: World, monkeypatch: pytest.MonkeyPatch, sort: str
) -> None:
    make_agent(world, "\N{GRINNING FACE}" * 255)
    whole = listed(alice, f"sort={sort}")
    monkeypatch.setattr(http, "ROWS", 1)
    found, cursor = [], ""
    for _page in whole:
        query = f"sort={sort}&cursor={cursor}"
        found += listed(alice, query)
        rest = alice.get(f"{LIST}?{query}").content.decode().split("cursor=")
        cursor = (
            rest[-1].split('"')[0].split("&")[0] if 'rel="next"' in "cursor=".join(rest) else ""
        )
    assert found == whole
    assert len(found) == 5
    assert cursor == ""
    assert alice.get(f"{LIST}?sort={sort}&cursor=nonsense").status_code == 404


@pytest.mark.parametrize("query", ["colour=red", "draft=ours", "pushed_after=soon", "sort=size"])
def test_what_cannot_be_read_is_named_and_finds_nothing(alice: Client, query: str) -> None:
    answer = alice.get(f"{LIST}?{query}")
    assert answer.status_code == 400
    assert b"Billing" not in answer.content
    assert b'role="alert"' in answer.content


def test_facets_count_and_cells_narrow(alice: Client) -> None:
    text = alice.get(f"{LIST}?has_directive=yes").content.decode()
    assert 'href="/directives/?draft=mine&amp;has_directive=yes"' in text
    assert 'href="?has_directive=yes&amp;not_injection_mode=user_prepend"' in text
    facet = text.split('href="/directives/?has_directive=no"')[1].split("</a>")[0]
    assert ">2<" in facet
    fragment = alice.get(f"{LIST}?name=bill", headers={"HX-Request": "true"})
    assert fragment["HX-Push-Url"] == f"{LIST}?name=bill"
    assert fragment.content.decode().lstrip().startswith('<div id="results"')


def test_an_empty_list_says_what_to_do(world: World, sign_in: SignIn, alice: Client) -> None:
    nothing = alice.get(f"{LIST}?name=nobody").content.decode()
    assert "No directive matches" in nothing
    assert f'<a href="{LIST}">clear the filters</a>' in nothing
    with tenant(world.elsewhere):
        Agent.objects.all().delete()
    first = sign_in(world.mallory).get(LIST).content.decode()
    assert "No agents yet" in first
    assert "No directive matches" not in first


def test_the_peek_shows_what_is_active_and_who_runs_it(alice: Client, world: World) -> None:
    connect_proxy("proxy-here", 2**40)
    connect_proxy("proxy-mute", 2**40, seen_at=timezone.now() - timedelta(minutes=3))
    with tenant(world.acme):
        agents = {agent.name: agent.pk for agent in Agent.objects.all()}
    peek = f"/agents/{agents['Billing']}/directive/peek/"
    assert f'data-peek="{peek}"' in alice.get(LIST).content.decode()
    text = alice.get(peek).content.decode()
    for words in (
        "version 1 is active",
        "23 bytes, about 6 tokens",
        "As the first system message",
        "Alice",
        "A start",
        "1 of 1 run it</a>, 1 silent",
        "silent, away since",
        "You have a draft",
    ):
        assert words in text, words
    assert "<html" not in text
    assert "Zanzibar" not in text
    idle = alice.get(f"/agents/{agents['Idle']}/directive/peek/").content.decode()
    assert "No version yet." in idle
    assert "Write the first" in idle


def test_another_orgs_directives_are_missing(alice: Client, world: World, sign_in: SignIn) -> None:
    mallory = sign_in(world.mallory)
    with tenant(world.acme):
        peek = f"/agents/{Agent.objects.get(name='Billing').pk}/directive/peek/"
    assert alice.get(peek).status_code == 200
    assert mallory.get(peek).status_code == 404
    assert listed(mallory) == [world.spy.name]
    assert listed(mallory, "name=billing") == []
    assert listed(mallory, "pushed_by=alice") == []
    counts = [page.get(LIST).content.decode() for page in (alice, mallory)]
    facets = [
        text.split('href="/directives/?has_directive=yes"')[1].split("</a>")[0] for text in counts
    ]
    assert [">2<" in facets[0], ">0<" in facets[1]] == [True, True]
    assert Client().get(LIST).status_code == 302


def test_the_list_reads_a_fixed_number_of_queries(
    alice: Client, world: World, django_assert_num_queries: Any
) -> None:
    alice.get("/")
    pages = {LIST: 13, f"{LIST}?draft=mine&sort=pushed&pushed_by=a": 13}
    for path, count in pages.items():
        with django_assert_num_queries(count, info=path):
            alice.get(path)
    for number in range(5):
        agent = make_agent(world, f"More {number}")
        push_directive(agent=agent, content=SECRET, actor=operator(world.alice))
        save_draft(agent=agent, actor=operator(world.alice), content="x", base_version=1)
    for path, count in pages.items():
        with django_assert_num_queries(count, info=path):
            alice.get(path)
