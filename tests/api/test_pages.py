"""Pages of every list: bounds, cursors, and rows that arrive meanwhile."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from agents.models import Agent
from ibex.ids import uuid7
from ibex.keyset import NEWEST_FIRST, MalformedCursor, Order, take_page
from ibex.tenancy import tenant
from tests.api.conftest import AGENTS, Api, refused
from tests.api.rows import make_memory, make_session, make_turn
from tests.conftest import World

pytestmark = pytest.mark.usefixtures("api_urls")


def lists(world: World) -> dict[str, Callable[[], Any]]:
    """Return each list of the management API, and how to add a row to it."""
    session = make_session(world.scout)
    indexes = iter(range(1000))

    def make_agent() -> Agent:
        with tenant(world.acme):
            name = uuid7().hex
            return Agent.objects.create(org=world.acme, name=name, slug=name, memory_scope="agent")

    return {
        AGENTS: make_agent,
        f"{AGENTS}/{world.scout.pk}/memories": lambda: make_memory(world.scout, uuid7().hex),
        "/api/v1/memories": lambda: make_memory(world.scout, uuid7().hex),
        "/api/v1/sessions": lambda: make_session(world.scout),
        f"/api/v1/sessions/{session.pk}/turns": lambda: make_turn(session, next(indexes)),
    }


def walk(api: Api, path: str, limit: int, between: Callable[[], Any]) -> list[str]:
    """Read a list to its end, adding a row after every page; return the ids in order."""
    seen: list[str] = []
    cursor = ""
    while True:
        page = api.get(f"{path}?limit={limit}{cursor}").json()
        assert len(page["items"]) <= limit
        seen += [row["id"] for row in page["items"]]
        if page["next_cursor"] is None or len(seen) > 100:
            return seen
        cursor = f"&cursor={page['next_cursor']}"
        between()


def test_a_walk_sees_every_row_once_whatever_is_inserted(world: World, alice: Api) -> None:
    for path, make in lists(world).items():
        before = {str(make().pk) for _ in range(7)}
        seen = walk(alice, path, 3, make)
        assert before <= set(seen), path
        assert len(seen) == len(set(seen)), path


def test_newest_rows_come_first_and_late_ones_do_not_disturb(world: World, alice: Api) -> None:
    made = [str(make_memory(world.scout, f"Fact {number}").pk) for number in range(5)]
    seen = walk(alice, "/api/v1/memories", 2, lambda: make_memory(world.scout, uuid7().hex))
    assert seen == made[::-1]


def test_rows_of_the_same_moment_are_all_seen(world: World, alice: Api) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    made = {str(make_memory(world.scout, f"Fact {n}", created_at=now).pk) for n in range(7)}
    seen = walk(alice, "/api/v1/memories", 2, lambda: None)
    assert set(seen) == made
    assert seen == sorted(seen, reverse=True)


def test_the_last_page_has_no_cursor(world: World, alice: Api) -> None:
    for number in range(4):
        make_memory(world.scout, f"Fact {number}")
    first = alice.get("/api/v1/memories?limit=2").json()
    second = alice.get(f"/api/v1/memories?limit=2&cursor={first['next_cursor']}").json()
    assert len(second["items"]) == 2
    assert second["next_cursor"] is None


def test_an_empty_list_is_an_empty_page(alice: Api) -> None:
    assert alice.get("/api/v1/memories").json() == {"items": [], "next_cursor": None}


def test_a_page_has_20_rows_unless_asked_otherwise(world: World, alice: Api) -> None:
    for number in range(25):
        make_memory(world.scout, f"Fact {number}")
    assert len(alice.get("/api/v1/memories").json()["items"]) == 20
    assert len(alice.get("/api/v1/memories?limit=100").json()["items"]) == 25
    assert len(alice.get("/api/v1/memories?limit=1").json()["items"]) == 1


@pytest.mark.parametrize("limit", ["0", "-1", "101", "ten", "", "1.5", "1e2", "99999999999999"])
def test_a_limit_is_1_to_100(world: World, alice: Api, limit: str) -> None:
    for path in lists(world):
        error = refused(alice.get(f"{path}?limit={limit}"), 400, "VALIDATION_ERROR")
        assert error["param"] == "limit"


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "nonsense",
        "e30",  # {}
        "bnVsbA",  # null
        "W10",  # []
        "WzEuNV0",  # [1.5]
        "WzEsMl0",  # [1,2]
        "WyJ4IiwieSJd",  # ["x","y"]
        "WyIyMDI2LTAxLTAxVDAwOjAwOjAwIiwiMDFhMjAyY2YtMTVmNC03NTdlLTg2ZjUtMjY4ZTAwZGM2YTdkIl0",
        "%00",
        "x" * 5000,
        "ä",
    ],
)
def test_a_cursor_that_no_page_returned_is_refused(world: World, alice: Api, cursor: str) -> None:
    for path in lists(world):
        error = refused(alice.get(f"{path}?cursor={cursor}"), 400, "VALIDATION_ERROR")
        assert error["param"] == "cursor"


def test_a_cursor_of_another_org_shows_nothing_of_it(
    world: World, alice: Api, mallory: Api
) -> None:
    for number in range(3):
        make_memory(world.scout, f"Fact {number}")
        make_memory(world.spy, f"Spied {number}")
    cursor = alice.get("/api/v1/memories?limit=1").json()["next_cursor"]
    page = mallory.get(f"/api/v1/memories?cursor={cursor}").json()
    assert page["items"]
    assert {row["agent_id"] for row in page["items"]} == {str(world.spy.pk)}


def test_an_order_may_ascend(world: World) -> None:
    session = make_session(world.scout)
    for number in range(4):
        make_turn(session, number)
    order = Order(("index",), descending=False)
    with tenant(world.acme):
        first = take_page(session.turns.all(), limit=3, cursor=None, order=order)
        rest = take_page(session.turns.all(), limit=3, cursor=first.next_cursor, order=order)
    assert [turn.index for turn in first.items + rest.items] == [0, 1, 2, 3]


def test_a_cursor_fits_only_its_own_order(world: World) -> None:
    make_memory(world.scout, "One")
    make_memory(world.scout, "Two")
    with tenant(world.acme):
        page = take_page(world.scout.memories.all(), limit=1, cursor=None, order=NEWEST_FIRST)
        with pytest.raises(MalformedCursor):
            take_page(
                world.scout.memories.all(),
                limit=1,
                cursor=page.next_cursor,
                order=Order(("id",), descending=True),
            )
