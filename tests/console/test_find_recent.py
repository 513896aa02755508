"""The palette begins with what an operator opened last in this organization."""

import re
from typing import Any

import pytest
import redis
from django.test import Client

from agents.services import create_agent
from ibex.tenancy import tenant
from jobs.models import Job
from orgs import recent
from orgs.members import add_member, change_role
from orgs.models import Membership
from privacy.registry import KEYS
from tests.api.rows import make_job, make_memory
from tests.conftest import TESTS, SignIn, World
from tests.console.conftest import Story

ASK = {"HX-Request": "true"}


def listed(client: Client) -> list[str]:
    """Return where the palette's first group leads, from the fragment and the page alike."""
    part = client.get("/palette/", headers=ASK).content.decode()
    found = re.findall(r'id="recent-\d+" data-href="([^"]+)"', part)
    page = client.get("/palette/").content.decode()
    section = re.findall(r'<h2 id="recent">.*?</section>', page, re.DOTALL)
    assert re.findall(r'<a href="([^"]+)"', "".join(section)) == found
    return found


def kept(world: World, client: Any) -> list[str]:
    return list(client.lrange(f"{world.acme.pk}:recent:{world.alice.pk}", 0, -1))


@pytest.fixture
def store(redis_url: str) -> Any:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


def test_every_kind_that_was_opened_comes_first_the_newest_on_top(
    world: World, sign_in: SignIn, story: Story
) -> None:
    client, job = sign_in(world.alice), make_job(world.scout)
    assert listed(client) == []
    agent = f"/agents/{world.scout.pk}/"
    opened = [
        agent,
        f"/memories/{story.memory.pk}/",
        f"/sessions/{story.session.pk}/",
        f"{agent}directive/",
        f"/jobs/{job.pk}/",
    ]
    for path in opened:
        assert client.get(path).status_code == 200
    assert listed(client) == opened[::-1]
    client.get(agent)
    assert listed(client) == [agent, *opened[:0:-1]]
    part = client.get("/palette/", headers=ASK).content.decode()
    for words in ("Directive of Scout", job.title, str(story.session)):
        assert words in part
    assert part.index("Recent") < part.index("data-href") < part.index('id="hit-1"')
    assert part.count('aria-selected="true"') == 1


def test_with_words_it_is_left_out(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.alice)
    client.get(f"/agents/{world.scout.pk}/")
    assert "recent-1" in client.get("/palette/?q=+", headers=ASK).content.decode()
    assert "recent-1" not in client.get("/palette/?q=sco", headers=ASK).content.decode()


def test_only_the_newest_eight_are_kept_as_kinds_and_ids(
    world: World, sign_in: SignIn, store: Any
) -> None:
    client = sign_in(world.alice)
    memories = [make_memory(world.scout, f"Secret {number}") for number in range(10)]
    for memory in memories:
        client.get(f"/memories/{memory.pk}/")
    newest = [str(memory.pk) for memory in memories[:1:-1]]
    assert listed(client) == [f"/memories/{pk}/" for pk in newest]
    assert kept(world, store) == [f"Memory:{pk}" for pk in newest]
    (key,) = store.keys(f"{world.acme.pk}:recent:*")
    assert 0 < store.ttl(key) <= recent.KEPT_FOR.total_seconds()
    (family,) = [one for one in KEYS if one.family == "recent"]
    assert family.of_org(world.acme.pk) == [f"{world.acme.pk}:recent:*"]


def test_a_long_memory_is_shortened(world: World, sign_in: SignIn) -> None:
    client, memory = sign_in(world.alice), make_memory(world.scout, "Walrus " * 100)
    client.get(f"/memories/{memory.pk}/")
    part = client.get("/palette/", headers=ASK).content.decode()
    assert "Walrus Walrus" in part
    assert "Walrus " * 20 not in part


@pytest.mark.parametrize(
    "headers",
    [{"HX-Request": "true"}, {"Sec-Purpose": "prefetch"}],
)
def test_a_part_of_a_page_and_a_guess_of_the_browser_are_nothing_opened(
    world: World, sign_in: SignIn, story: Story, headers: dict[str, str]
) -> None:
    client = sign_in(world.alice)
    path = f"/memories/{story.memory.pk}/"
    client.get(path, headers=headers)
    client.get(f"{path}peek/")
    client.get("/memories/00000000-0000-7000-8000-000000000000/")
    client.post(path)
    assert listed(client) == []
    client.get(path)
    assert listed(client) == [path]


def test_what_is_gone_drops_out(world: World, sign_in: SignIn) -> None:
    client, jobs = sign_in(world.alice), [make_job(world.scout) for _ in range(2)]
    for job in jobs:
        client.get(f"/jobs/{job.pk}/")
    assert listed(client) == [f"/jobs/{jobs[1].pk}/", f"/jobs/{jobs[0].pk}/"]
    with tenant(world.acme):
        Job.objects.filter(pk=jobs[1].pk).delete()
    assert listed(client) == [f"/jobs/{jobs[0].pk}/"]


def test_it_is_one_operators_in_one_organization(world: World, sign_in: SignIn) -> None:
    add_member(org=world.elsewhere, operator=world.alice, role="viewer", actor=TESTS)
    alice = sign_in(world.alice)
    here = f"/agents/{world.scout.pk}/"
    alice.post("/organizations/", {"org_id": str(world.acme.pk)})
    alice.get(here)
    assert listed(alice) == [here]
    assert listed(sign_in(world.member("admin"))) == []
    assert listed(sign_in(world.mallory)) == []
    alice.post("/organizations/", {"org_id": str(world.elsewhere.pk)})
    assert listed(alice) == []
    there = f"/agents/{world.spy.pk}/"
    alice.get(there)
    assert listed(alice) == [there]
    alice.post("/organizations/", {"org_id": str(world.acme.pk)})
    assert listed(alice) == [here]


def test_an_id_of_another_organization_is_nothing(
    world: World, sign_in: SignIn, store: Any
) -> None:
    client = sign_in(world.alice)
    client.get(f"/agents/{world.scout.pk}/")
    key = f"{world.acme.pk}:recent:{world.alice.pk}"
    store.lpush(key, f"Agent:{world.spy.pk}", f"Nonsense:{world.scout.pk}")
    assert listed(client) == [f"/agents/{world.scout.pk}/"]


def test_the_role_of_the_moment_decides(world: World, sign_in: SignIn) -> None:
    operator = world.member("admin")
    client, job = sign_in(operator), make_job(world.scout)
    client.get(f"/jobs/{job.pk}/")
    assert listed(client) == [f"/jobs/{job.pk}/"]
    with tenant(world.acme):
        membership = Membership.objects.get(operator=operator)
    change_role(membership=membership, role="viewer", actor=TESTS)
    assert listed(client) == []
    with tenant(world.acme):
        Job.objects.filter(pk=job.pk).update(owner_type="operator", owner_id=operator.pk)
    assert listed(client) == [f"/jobs/{job.pk}/"]


def test_without_redis_pages_and_palette_are_as_ever(
    world: World, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = sign_in(world.alice)
    client.get(f"/agents/{world.scout.pk}/")
    away = redis.Redis.from_url("redis://127.0.0.1:9/0")
    with monkeypatch.context() as patch:
        patch.setattr(recent, "_client", lambda: away)
        assert client.get(f"/agents/{world.scout.pk}/").status_code == 200
        assert listed(client) == []
    assert listed(client) == [f"/agents/{world.scout.pk}/"]


def test_it_takes_one_query_a_kind_and_none_of_the_page(
    world: World, sign_in: SignIn, django_assert_num_queries: Any
) -> None:
    client = sign_in(world.alice)
    client.get("/palette/")
    agents = [
        create_agent(org=world.acme, name=f"A{n}", slug=f"a-{n}", memory_scope="agent", actor=TESTS)
        for n in range(4)
    ]
    with django_assert_num_queries(7):
        client.get("/palette/", headers=ASK)
    for agent in agents:
        with django_assert_num_queries(10):
            client.get(f"/agents/{agent.pk}/")
        with django_assert_num_queries(8):
            client.get("/palette/", headers=ASK)
    memory = make_memory(world.scout)
    client.get(f"/memories/{memory.pk}/")
    with django_assert_num_queries(9):
        client.get("/palette/", headers=ASK)
