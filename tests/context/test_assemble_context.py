"""What the proxy can count on when it asks for context, whoever is away or late."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import grpc
import orjson
import psycopg
import pytest
from prometheus_client import REGISTRY

from context.formatting import contains_block
from context.proto.context_pb2 import AssembleResponse
from ibex.ids import uuid7
from tests.conftest import World, with_database
from tests.context.library import open_session, remember, say
from tests.context.outpost import Outpost, embedder, outpost
from tests.processes import free_port

HOST = "The user's primary database host is db.smoketest.example.com."
SNACK = "The user is allergic to peanuts."
QUESTION = "What database host should I use?"
UNRELATED = "How do I revert the last commit in git?"
Scenario = Callable[[Outpost], Awaitable[Any]]


def run(database_url: str, scenario: Scenario, **options: Any) -> Any:
    """Run a scenario against a server with an embedder."""

    async def play() -> Any:
        delay = options.pop("embedding_takes_s", 0.0)
        async with (
            embedder(delay_s=delay) as embedder_url,
            outpost(database_url, embedder_url=embedder_url, **options) as post,
        ):
            return await scenario(post)

    return asyncio.run(play())


def run_without_embedder(database_url: str, scenario: Scenario, **options: Any) -> Any:
    """Run a scenario against a server whose embedder's port is closed."""

    async def play() -> Any:
        async with outpost(database_url, **options) as post:
            return await scenario(post)

    return asyncio.run(play())


@pytest.fixture
def shelf(committed_world: World) -> World:
    """What Acme's Scout knows."""
    remember(committed_world.scout, HOST)
    remember(committed_world.scout, SNACK)
    return committed_world


def nothing(answer: AssembleResponse) -> bool:
    return (answer.block, len(answer.items), answer.tokens) == ("", 0, 0)


def test_what_matters_comes_back_as_a_block(shelf: World, database_url: str) -> None:
    answer = run(database_url, lambda post: post.assemble(shelf.scout, QUESTION))
    assert answer.level == "L0"
    assert contains_block(answer.block)
    assert "db.smoketest.example.com" in answer.block
    assert "peanuts" not in answer.block
    (item,) = answer.items
    assert (item.kind, item.source_turn) == ("memory", "")
    assert f'id="{item.id}"' in answer.block
    assert 0 < item.tokens < answer.tokens < 300


def test_the_trace_tells_numbers_and_ids_and_no_text(shelf: World, database_url: str) -> None:
    answer = run(database_url, lambda post: post.assemble(shelf.scout, QUESTION))
    trace = orjson.loads(answer.trace)
    assert (trace["level"], trace["pool"]) == ("L0", 2)
    fates = {entry["fate"]: entry for entry in trace["candidates"]}
    assert set(fates) == {"taken", "floor"}
    assert fates["taken"]["id"] == answer.items[0].id
    assert fates["taken"]["scores"]["final"] == pytest.approx(answer.items[0].score, abs=1e-4)
    assert {"bm25", "cosine", "smoothed", "recency"} <= set(fates["floor"]["scores"])
    assert trace["timings"]["total_ms"] > 0
    for text in ("database", "smoketest", "peanuts"):
        assert text.encode() not in answer.trace


def test_nothing_relevant_makes_no_block(shelf: World, database_url: str) -> None:
    answer = run(database_url, lambda post: post.assemble(shelf.scout, UNRELATED))
    assert nothing(answer)
    assert answer.level == "L0"


def test_a_passage_names_its_turn(committed_world: World, database_url: str) -> None:
    scout = committed_world.scout
    (said,) = say(open_session(scout), "My database host is db.smoketest.example.com.")
    answer = run(database_url, lambda post: post.assemble(scout, QUESTION))
    (item,) = answer.items
    assert (item.id, item.kind, item.source_turn) == (str(said.pk), "passage", str(said.turn_id))
    assert 'said-by="user"' in answer.block


def test_a_memory_stands_for_the_turn_it_came_from(
    committed_world: World, database_url: str
) -> None:
    scout = committed_world.scout
    (said,) = say(open_session(scout), "So, my database host is db.smoketest.example.com, ok?")
    memory = remember(scout, HOST, source_turns=[said.turn_id])
    answer = run(database_url, lambda post: post.assemble(scout, QUESTION))
    assert [item.id for item in answer.items] == [str(memory.pk)]
    fates = {entry["id"]: entry["fate"] for entry in orjson.loads(answer.trace)["candidates"]}
    assert fates[str(said.pk)] == "same_turn"


def test_budget_and_number_are_kept(committed_world: World, database_url: str) -> None:
    scout = committed_world.scout
    for number in range(12):
        remember(scout, f"The user's database host number {number} is db{number}.example.com.")

    async def scenario(post: Outpost) -> list[AssembleResponse]:
        return [
            await post.assemble(scout, QUESTION, **limits)
            for limits in ({}, {"max_items": 3}, {"budget_tokens": 300}, {"max_items": 0})
        ]

    everything, three, short, none = run(database_url, scenario)
    assert len(everything.items) == 12
    assert len(three.items) == 3
    assert 1 <= len(short.items) < 12
    assert short.tokens <= 300
    assert nothing(none)
    fates = {entry["fate"] for entry in orjson.loads(three.trace)["candidates"]}
    assert fates == {"taken", "max_items"}


def test_mallory_gets_nothing_of_acme(shelf: World, database_url: str) -> None:
    remember(shelf.scout, "Everyone at Acme uses db.acme.example.com.", visibility="org")
    acme, elsewhere = str(shelf.acme.pk), str(shelf.elsewhere.pk)

    async def scenario(post: Outpost) -> dict[str, AssembleResponse]:
        return {
            "her own agent": await post.assemble(shelf.spy, QUESTION),
            "Acme's agent in her org": await post.assemble(shelf.scout, QUESTION, org_id=elsewhere),
            "Acme's own": await post.assemble(shelf.scout, QUESTION, org_id=acme),
        }

    answers = run(database_url, scenario)
    assert nothing(answers["her own agent"])
    assert nothing(answers["Acme's agent in her org"])
    assert len(answers["Acme's own"].items) == 2


def test_a_connection_keeps_no_tenant_for_the_next_request(shelf: World, database_url: str) -> None:
    """Both orgs' requests share the pool's connections, at once and in turn."""
    remember(shelf.spy, "The spy's database host is db.elsewhere.example.com.")

    async def scenario(post: Outpost) -> list[AssembleResponse]:
        agents = [shelf.scout, shelf.spy] * 15
        return await asyncio.gather(*(post.assemble(agent, QUESTION) for agent in agents))

    for number, answer in enumerate(run(database_url, scenario)):
        expected = "db.elsewhere" if number % 2 else "db.smoketest"
        assert (len(answer.items), expected in answer.block) == (1, True)


def test_without_the_embedder_words_are_enough(shelf: World, database_url: str) -> None:
    answer = run_without_embedder(database_url, lambda post: post.assemble(shelf.scout, QUESTION))
    assert answer.level == "L1"
    assert len(answer.items) == 1
    assert "db.smoketest.example.com" in answer.block


def test_an_embedding_that_is_late_is_not_waited_for(shelf: World, database_url: str) -> None:
    started = time.monotonic()
    answer = run(
        database_url,
        lambda post: post.assemble(shelf.scout, QUESTION),
        embedding_takes_s=30.0,
        branch_s=0.2,
    )
    assert (answer.level, len(answer.items)) == ("L1", 1)
    assert time.monotonic() - started < 20


def test_without_postgres_the_answer_is_empty(shelf: World) -> None:
    away = f"postgres://ibex_app:x@127.0.0.1:{free_port()}/ibex"

    async def scenario(post: Outpost) -> tuple[AssembleResponse, int, Any]:
        answer = await post.assemble(shelf.scout, QUESTION)
        return answer, *(await post.server.health.readiness())

    answer, status, body = run(away, scenario, wait=False)
    assert nothing(answer)
    assert answer.level == "L2"
    assert orjson.loads(answer.trace)["reason"]
    assert (status, body["checks"]["postgres"]["status"]) == (503, "failed: PoolClosed")


async def assemble_and_time(post: Outpost, world: World) -> tuple[AssembleResponse, float]:
    started = time.monotonic()
    answer = await post.assemble(world.scout, QUESTION)
    return answer, time.monotonic() - started


def test_a_database_that_does_not_answer_does_not_break_the_deadline(
    shelf: World, database_url: str
) -> None:
    """A lock holds the search up; when it is gone, the same connections serve again."""

    async def scenario(post: Outpost) -> list[tuple[AssembleResponse, float]]:
        times = [await assemble_and_time(post, shelf)]
        async with await psycopg.AsyncConnection.connect(database_url) as other:
            await other.execute("LOCK TABLE memories_corpusstatistics IN ACCESS EXCLUSIVE MODE")
            times.append(await assemble_and_time(post, shelf))
        await asyncio.sleep(0.2)
        return [*times, await assemble_and_time(post, shelf)]

    before, during, after = run(database_url, scenario, branch_s=0.4, deadline_s=0.8)
    assert (before[0].level, during[0].level, after[0].level) == ("L0", "L2", "L0")
    assert nothing(during[0])
    assert 0.7 < during[1] < 2
    assert len(after[0].items) == 1


def test_who_finds_no_place_knows_it_before_the_deadline(shelf: World, database_url: str) -> None:
    """One search is held up; the next ones do not pile up behind it, and places come back."""

    async def scenario(post: Outpost) -> list[tuple[AssembleResponse, float]]:
        async with await psycopg.AsyncConnection.connect(database_url) as other:
            await other.execute("LOCK TABLE memories_corpusstatistics IN ACCESS EXCLUSIVE MODE")
            held = asyncio.create_task(assemble_and_time(post, shelf))
            await asyncio.sleep(0.1)
            refused = await asyncio.gather(*(assemble_and_time(post, shelf) for _ in range(3)))
            await held
        await asyncio.sleep(0.2)
        return [*refused, await assemble_and_time(post, shelf)]

    *refused, after = run(database_url, scenario, branch_s=1.0, deadline_s=1.3, concurrency=1)
    for answer, seconds in refused:
        assert (answer.level, orjson.loads(answer.trace)["reason"]) == ("L2", "Busy")
        assert 0.25 < seconds < 1.0
    assert (after[0].level, len(after[0].items)) == ("L0", 1)


def test_a_server_that_takes_connections_and_says_nothing_is_away(shelf: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]

        async def scenario(post: Outpost) -> tuple[AssembleResponse, float]:
            return await assemble_and_time(post, shelf)

        url = f"postgres://ibex_app:x@127.0.0.1:{port}/ibex?connect_timeout=1"
        answer, seconds = run(url, scenario, wait=False, branch_s=0.1, deadline_s=0.2)
    assert nothing(answer)
    assert answer.level == "L2"
    assert seconds < 1.5


@pytest.mark.parametrize("token", [None, "", "wrong", "a-service-token-made-only-for-test"])
def test_a_caller_without_the_service_token_is_refused(
    shelf: World, database_url: str, token: str | None
) -> None:
    async def scenario(post: Outpost) -> grpc.StatusCode:
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await post.assemble(shelf.scout, QUESTION, token=token)
        return refusal.value.code()

    assert run_without_embedder(database_url, scenario) == grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("org_id", "not-a-uuid"),
        ("org_id", ""),
        ("agent_id", "1"),
        ("session_id", "chat-1"),
        ("memory_scope", "everyone"),
        ("memory_scope", ""),
        ("query", "  "),
    ],
)
def test_a_malformed_question_is_the_callers_mistake(
    shelf: World, database_url: str, field: str, value: str
) -> None:
    async def scenario(post: Outpost) -> grpc.aio.AioRpcError:
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            fields = {"query": QUESTION} | {field: value}
            await post.assemble(shelf.scout, **fields)
        return refusal.value

    error = run_without_embedder(database_url, scenario)
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert field in (error.details() or "")
    assert len(value) < 3 or value not in (error.details() or "")


def test_the_requests_own_session_is_not_repeated_into_it(
    committed_world: World, database_url: str
) -> None:
    session = open_session(committed_world.scout)
    say(session, "My database host is db.smoketest.example.com.")

    async def scenario(post: Outpost) -> list[AssembleResponse]:
        return [
            await post.assemble(committed_world.scout, QUESTION, session_id=str(own))
            for own in (session.pk, uuid7())
        ]

    own, other = run(database_url, scenario)
    assert nothing(own)
    assert len(other.items) == 1


def test_a_strange_message_is_searched_like_any_other(shelf: World, database_url: str) -> None:
    async def scenario(post: Outpost) -> list[AssembleResponse]:
        strange = [
            "\x00database\x00 host",
            "%s %(org)s '; DROP TABLE x; --",
            "{" * 500,
            "é" * 9_999,
        ]
        return [await post.assemble(shelf.scout, text) for text in strange]

    assert [answer.level for answer in run(database_url, scenario)] == ["L0"] * 4


def test_assemblies_are_counted_by_level(shelf: World, database_url: str) -> None:
    def count(level: str) -> float:
        return REGISTRY.get_sample_value("ibex_context_assemblies_total", {"level": level}) or 0

    before = count("L0"), count("L1")
    run(database_url, lambda post: post.assemble(shelf.scout, QUESTION))
    run_without_embedder(database_url, lambda post: post.assemble(shelf.scout, QUESTION))
    assert (count("L0"), count("L1")) == (before[0] + 1, before[1] + 1)


def test_readiness_names_who_is_away(shelf: World, database_url: str) -> None:
    async def scenario(post: Outpost) -> tuple[int, Any]:
        for _try in range(200):
            status, body = await post.server.health.readiness()
            if status == 200:
                break
            await asyncio.sleep(0.05)
        return status, body

    status, body = run_without_embedder(database_url, scenario)
    checks = {name: check["status"] for name, check in body["checks"].items()}
    assert (status, body["status"]) == (200, "degraded")
    assert checks.pop("embedder").startswith("failed")
    assert checks == {"postgres": "ok", "warm_up": "ok"}


def test_a_role_that_bypasses_row_level_security_is_refused(
    owner_url: str, database_name: str, shelf: World
) -> None:
    async def scenario(post: Outpost) -> tuple[AssembleResponse, str]:
        await post.server.refused.wait()
        return await post.assemble(shelf.scout, QUESTION), str(post.server.refusal)

    answer, reason = run(with_database(owner_url, database_name), scenario, wait=False)
    assert nothing(answer)
    assert answer.level == "L2"
    assert "bypasses row-level security" in reason


def test_ids_are_uuids(shelf: World, database_url: str) -> None:
    answer = run(database_url, lambda post: post.assemble(shelf.scout, QUESTION))
    assert UUID(answer.items[0].id).version == 7
