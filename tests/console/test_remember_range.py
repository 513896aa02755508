"""The range of time that an operator chose last is the one they see next."""

import re
from typing import Any

import pytest
from django.test import Client

from orgs.models import Operator
from tests.conftest import SignIn, World


def shown(client: Client, path: str = "/", **headers: str) -> str:
    page = client.get(path, headers=headers).content.decode()
    (name,) = re.findall(r'href="\?range=(\w+)" aria-current="true"', page)
    return str(name)


def kept(operator: Operator) -> str:
    return Operator.objects.get(pk=operator.pk).time_range


def test_a_range_in_the_url_holds_and_is_the_next_ones_too(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.alice)
    assert shown(client) == "7d"
    assert kept(world.alice) == ""
    assert shown(client, "/?range=30d") == "30d"
    assert shown(client) == "30d"
    assert shown(client, "/?range=24h") == "24h"
    assert shown(sign_in(world.alice)) == "24h"
    assert shown(sign_in(world.mallory)) == "7d"


@pytest.mark.parametrize("wrong", ["nonsense", "", "7D", "30d ", "\0"])
def test_what_is_no_range_is_neither_shown_nor_remembered(
    world: World, sign_in: SignIn, wrong: str
) -> None:
    client = sign_in(world.alice)
    client.get("/?range=14d")
    answer = client.get("/", {"range": wrong})
    assert b'range=14d" aria-current="true"' in answer.content
    assert kept(world.alice) == "14d"


def test_a_range_that_is_no_more_is_the_default(world: World, sign_in: SignIn) -> None:
    Operator.objects.filter(pk=world.alice.pk).update(time_range="5y")
    assert shown(sign_in(world.alice)) == "7d"


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Purpose": "prefetch;prerender"}, {"Purpose": "prefetch"}, {"X-Moz": "prefetch"}],
)
def test_what_a_browser_fetches_ahead_is_not_remembered(
    world: World, sign_in: SignIn, headers: dict[str, str]
) -> None:
    client = sign_in(world.alice)
    assert shown(client, "/?range=30d", **headers) == "30d"
    assert kept(world.alice) == ""
    assert shown(client, "/?range=30d") == "30d"
    assert kept(world.alice) == "30d"


def test_it_costs_one_write_when_it_changes_and_nothing_else(
    world: World, sign_in: SignIn, django_assert_num_queries: Any
) -> None:
    client = sign_in(world.alice)
    client.get("/")
    for path, count in (("/", 19), ("/?range=30d", 20), ("/?range=30d", 19), ("/", 19)):
        with django_assert_num_queries(count, info=path):
            client.get(path)
