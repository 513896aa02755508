"""Every statement runs against the migrated schema, as the runtime role, both ways."""

import asyncio
import itertools
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from agents.models import Agent
from ibex.ids import uuid7
from ibex.tenancy import tenant
from memories.retrieval import (
    CONNECTION_OPTIONS,
    Query,
    Retrieval,
    Vector,
    retrieve_async,
    retrieve_sync,
)
from tests.conftest import World
from tests.context.library import ask, embed, open_session, remember, say, search

VARIANTS = [
    {"memory_scope": scope, "subject": subject, "in_session": in_session, "kinds": kinds}
    | {"by_meaning": by_meaning, "then": then}
    for scope, subject, in_session, kinds, by_meaning, then in itertools.product(
        ("agent", "subject"),
        (None, "ada"),
        (True, False),
        ({"memory"}, {"passage"}, {"memory", "passage"}),
        (True, False),
        (True, False),
    )
] + [
    {"overseen": True, "subject": subject, "in_session": False, "kinds": {"memory"}}
    | {"by_meaning": by_meaning, "then": False, "memory_scope": "agent"}
    for subject, by_meaning in itertools.product((None, "ada"), (True, False))
]


def furnish(agent: Agent) -> Any:
    """Store a little of everything; return a session."""
    session = open_session(agent, "ada")
    for subject in (None, "ada"):
        remember(agent, f"The user, {subject}, drinks green tea.", subject=subject)
        say(open_session(agent, subject), "I drink green tea.", "How nice, green tea it is.")
    remember(agent, "The user drinks green tea now.", visibility="session", session=session)
    return session


def variant(agent: Agent, session: Any, options: dict[str, Any]) -> Query:
    """Build the query of one combination of options."""
    options = dict(options)
    if options.pop("overseen", False):
        options["overseen"] = (agent.pk, uuid7())
    return ask(
        agent,
        "Who drinks green tea?",
        session_id=session.pk if options.pop("in_session") else None,
        as_of=timezone.now() if options.pop("then") else None,
        **options | {"kinds": frozenset(options["kinds"])},
    )


def test_every_statement_runs_in_every_combination(world: World) -> None:
    session = furnish(world.scout)
    for options in VARIANTS:
        found = search(variant(world.scout, session, options)).candidates
        anonymous = options["memory_scope"] == "subject" and options["subject"] is None
        if not anonymous or (options["in_session"] and "memory" in options["kinds"]):
            assert found, options


async def fetch(
    database_url: str, queries: list[Query], late: str | None = None
) -> list[Retrieval]:
    """Search as the service does; with `late`, that text's vector comes during the search."""

    async def embedding() -> Vector | None:
        return embed(late) if late else None

    async with await psycopg.AsyncConnection.connect(
        database_url, options=CONNECTION_OPTIONS, autocommit=True
    ) as connection_:
        vector = embedding if len(queries) == 1 else lambda: None
        found = [await retrieve_async(connection_, query, vector()) for query in queries]
        row = await (await connection_.execute("SELECT current_user")).fetchone()
        assert row == ("ibex_app",)
        assert connection_.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        return found


def test_the_service_finds_exactly_what_a_view_finds(
    committed_world: World, database_url: str
) -> None:
    session = furnish(committed_world.scout)
    queries = [variant(committed_world.scout, session, options) for options in VARIANTS]
    for query, found in zip(queries, asyncio.run(fetch(database_url, queries)), strict=True):
        expected = search(query)
        assert found.candidates == expected.candidates
        assert (found.level, found.pool) == (expected.level, expected.pool)


@pytest.mark.parametrize(("vector", "level", "count"), [(True, "L0", 1), (False, "L1", 0)])
def test_the_vector_may_come_while_words_are_searched(
    committed_world: World, database_url: str, vector: bool, level: str, count: int
) -> None:
    remember(committed_world.scout, "The user drinks green tea.")
    query = ask(committed_world.scout, "a hot beverage", by_meaning=False)
    (found,) = asyncio.run(fetch(database_url, [query], late=query.text if vector else None))
    assert (found.level, len(found.candidates)) == (level, count)


def test_a_search_is_three_round_trips_at_most(
    world: World, django_assert_num_queries: Any
) -> None:
    session = furnish(world.scout)
    query = ask(world.scout, "Who drinks green tea?", subject="ada", session_id=session.pk)
    with tenant(world.acme), django_assert_num_queries(3), connection.cursor() as cursor:
        assert retrieve_sync(cursor, query).candidates
