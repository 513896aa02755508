"""The overview: what is left to set up, and what happened in a range of time."""

from datetime import timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from ibex.tenancy import tenant
from orgs.figures import RANGES, chosen_range, read_figures
from tests.api.rows import make_call, make_memory, make_session
from tests.conftest import SignIn, World

ASK = "/setup/first-request/"


def record_call(world: World, *, hours_ago: float = 0, status: int = 200, tokens: int = 10) -> None:
    made = timezone.now() - timedelta(hours=hours_ago)
    make_call(world.scout, created_at=made, status=status, tokens_in=tokens, tokens_out=1)


def test_a_new_organization_is_told_how_to_connect(
    world: World, sign_in: SignIn, settings: Any
) -> None:
    text = sign_in(world.alice).get("/").content.decode()
    assert "1 of 5 done" in text
    assert f"{settings.PROXY_URL}/v1" in text
    assert f'"X-IBEX-Agent-ID": "{world.scout.pk}"' in text
    assert 'href="/settings/tokens/new/"' in text


def test_what_a_role_cannot_set_up_is_no_link_and_says_why(world: World, sign_in: SignIn) -> None:
    with tenant(world.acme):
        world.scout.delete()
    pages = ("/agents/new/", "/settings/tokens/new/", "/settings/members/")
    text = sign_in(world.member("viewer")).get("/").content.decode().split('id="setup"')[1]
    for what in ("create agents", "create tokens", "invite members"):
        assert f"Your role, viewer, does not {what}." in text
    assert not [page for page in pages if f'class="strong" href="{page}"' in text]
    assert "first somebody who may creates the agent" in text
    text = sign_in(world.alice).get("/").content.decode().split('id="setup"')[1]
    assert [page for page in pages if f'class="strong" href="{page}"' in text] == list(pages)
    assert "Your role, owner" not in text


def test_the_first_request_turns_the_waiting_green(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.alice)
    waiting = client.get(ASK).content.decode()
    assert 'hx-trigger="every 3s"' in waiting
    assert "Waiting for the first request" in waiting
    record_call(world)
    come = client.get(ASK).content.decode()
    assert "The first request has come." in come
    assert "hx-trigger" not in come
    assert "base_url" not in client.get("/").content.decode()


def test_another_orgs_first_request_is_not_mine(world: World, sign_in: SignIn) -> None:
    record_call(world)
    assert b"Waiting" in sign_in(world.mallory).get(ASK).content
    assert b"has come" in sign_in(world.alice).get(ASK).content


def test_the_list_can_be_hidden_for_one_organization(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.alice)
    assert b"Set up Acme" in client.get("/").content
    client.post("/setup/hide/")
    assert b"Set up Acme" not in client.get("/").content
    assert client.get("/setup/hide/").status_code == 405


def test_figures_compare_a_range_with_the_span_before(world: World) -> None:
    for hours_ago, status in ((1, 200), (2, 500), (30, 200), (60, 200)):
        record_call(world, hours_ago=hours_ago, status=status)
    make_session(world.scout)
    make_memory(world.scout, created_at=timezone.now() - timedelta(hours=30))
    with tenant(world.acme):
        figures = read_figures(world.acme.pk, chosen_range("24h"))
    assert (figures.tokens.total, figures.tokens.earlier) == (22, 11)
    assert figures.tokens.change == 100.0
    assert (figures.failures.total, figures.failures.earlier) == (1, 0)
    assert figures.failures.change is None
    assert figures.failure_words == "50.00 % of 2 calls"
    assert (figures.sessions.total, figures.memories.total, figures.memories.earlier) == (1, 0, 1)
    assert len(figures.tokens.now) == 24


def test_every_range_draws_and_counts_all_of_it(world: World) -> None:
    for hours_ago in (1, 100, 300, 700, 1400):
        record_call(world, hours_ago=hours_ago)
    totals = {}
    with tenant(world.acme):
        for one in RANGES:
            figures = read_figures(world.acme.pk, one)
            totals[one.name] = (figures.requests, figures.tokens.earlier // 11)
            assert figures.tokens.path.startswith("M0.0 ")
            assert len(figures.tokens.now) == one.buckets
    assert totals == {"24h": (1, 0), "7d": (2, 1), "14d": (3, 0), "30d": (4, 1)}


def test_figures_take_four_queries(world: World, django_assert_num_queries: Any) -> None:
    with tenant(world.acme), django_assert_num_queries(4):
        read_figures(world.acme.pk, chosen_range("30d"))


def test_an_unknown_range_is_the_default(world: World, sign_in: SignIn) -> None:
    for query in ("range=nonsense", "range=30d", ""):
        assert sign_in(world.alice).get(f"/?{query}").status_code == 200


def test_anonymous_is_asked_to_sign_in(world: World) -> None:
    assert Client().get(ASK).status_code == 302
    assert Client().post("/setup/hide/").status_code == 302
