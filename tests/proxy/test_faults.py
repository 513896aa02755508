"""What breaks, what the client sees of it, and that nothing acknowledged is lost."""

import json
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import openai
import psycopg
import pytest
from django.db import connections

from ibex.ids import uuid7
from ibex.tenancy import tenant
from orgs.models import Organization
from proxy.spool import Spool
from proxy.turns import CallRecord
from tests.conftest import FULL, World, make_world
from tests.processes import ServerProcess, free_offset
from tests.proxy.conftest import Talker, make_proxy, say
from tests.proxy.provider import ProviderPeer
from tests.proxy.test_streams import eventually
from tests.stores import OwnStores

CLIENTS = 50
SECONDS = 12 if FULL else 3


@pytest.fixture(scope="module")
def stores() -> Iterator[OwnStores]:
    with tempfile.TemporaryDirectory(prefix="ibex-t-", dir="/tmp") as folder:
        Path(folder).chmod(0o711)  # Postgres runs as another account and must pass through
        own = OwnStores(Path(folder)).start()
        yield own
        own.stop()


@pytest.fixture
def env(stores: OwnStores, provider: ProviderPeer, tmp_path: Path) -> dict[str, str]:
    return {
        "IBEX_PORT_OFFSET": str(free_offset("proxy")),
        "IBEX_DATABASE_URL": stores.database_url,
        "IBEX_REDIS_URL": stores.redis.url,
        "IBEX_PROXY_REDIS_TIMEOUT_MS": "3000",
        "IBEX_LLM_MODE": "live",
        "OPENAI_API_KEY": "sk-of-the-provider",
        "OPENAI_BASE_URL": provider.base_url,
        "IBEX_SPOOL_DIR": str(tmp_path / "spool"),
        "IBEX_CONTEXT_ADDR": "127.0.0.1:1",
    }


@pytest.fixture
def faulty(env: dict[str, str], tmp_path: Path) -> Iterator[ServerProcess]:
    """A proxy on stores that may be killed."""
    server = make_proxy(env, tmp_path / "proxy.log").start()
    yield server
    server.stop()


@pytest.fixture
def talker(
    faulty: ServerProcess, stores: OwnStores, django_db_blocker: pytest.FixtureRequest
) -> Iterator[Talker]:
    """Alice and Mallory, written through Django into the stores of this module."""
    default = connections["default"]
    before = dict(default.settings_dict)
    parts = psycopg.conninfo.conninfo_to_dict(stores.database_url)
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        default.close()
        default.settings_dict.update(
            NAME=parts["dbname"], HOST=parts["host"], USER=parts["user"], PASSWORD=parts["password"]
        )
        try:
            yield Talker(faulty, make_world(), stores.database_url)
        finally:
            default.close()
            default.settings_dict.clear()
            default.settings_dict.update(before)


def ask(talker: Talker, text: str = "Hi", session: str = "s") -> int:
    """Return the status of one plain request."""
    client = talker.client(**{"X-IBEX-Session-ID": session})
    try:
        client.chat.completions.create(model="m", messages=say(text))
    except openai.APIStatusError as error:
        return error.status_code
    return 200


def test_with_redis_away_nothing_is_let_through_until_it_is_back(
    talker: Talker, stores: OwnStores
) -> None:
    assert ask(talker) == 200
    stores.kill_redis()
    with pytest.raises(openai.InternalServerError) as refused:
        talker.client().chat.completions.create(model="m", messages=say("Hi"))
    assert refused.value.status_code == 503
    assert refused.value.code == "SERVICE_DEGRADED"
    assert talker.proxy.status("/readyz") == 503
    stores.start_redis()
    eventually(lambda: ask(talker) == 200)
    assert talker.proxy.status("/readyz") == 200


def test_with_postgres_away_nobody_is_let_in_until_it_is_back(
    talker: Talker, stores: OwnStores
) -> None:
    assert ask(talker) == 200
    stores.kill_postgres()
    assert ask(talker) == 503
    assert talker.proxy.status("/healthz") == 200
    assert talker.proxy.status("/readyz") == 503
    stores.start_postgres()
    eventually(lambda: ask(talker) == 200)


def test_nobody_meets_a_connection_that_died_with_postgres(
    talker: Talker, stores: OwnStores
) -> None:
    """The pool holds connections to the server that was killed; each would cost a request."""
    assert ask(talker) == 200
    stores.kill_postgres()
    stores.start_postgres()
    assert [ask(talker) for _ in range(8)] == [200] * 8


def test_nobody_meets_a_connection_that_died_with_redis(talker: Talker, stores: OwnStores) -> None:
    """More connections died than one client at a time would notice."""
    assert ask_at_once(talker, 12) == [200] * 12
    stores.kill_redis()
    stores.start_redis()
    assert ask_at_once(talker, 12) == [200] * 12


def ask_at_once(talker: Talker, clients: int) -> list[int]:
    with ThreadPoolExecutor(clients) as asking:
        return list(asking.map(lambda n: ask(talker, session=f"s{n}"), range(clients)))


def test_an_answer_given_while_postgres_is_away_is_recorded_when_it_is_back(
    talker: Talker, stores: OwnStores, provider: ProviderPeer
) -> None:
    provider.reset(delay_s=1.5)
    answers: list[int] = []
    talking = [
        threading.Thread(target=lambda n=n: answers.append(ask(talker, f"Number {n}", f"s{n}")))
        for n in range(5)
    ]
    for thread in talking:
        thread.start()
    eventually(lambda: len(provider.behaviour.seen) == 5)
    stores.kill_postgres()
    for thread in talking:
        thread.join()
    assert answers == [200] * 5
    stores.start_postgres()
    eventually(lambda: len(talker.turns()) == 5)
    assert {s["turn_count"] for s in talker.sessions()} == {1}


def test_turns_that_waited_on_disk_keep_their_order(
    talker: Talker, stores: OwnStores, provider: ProviderPeer
) -> None:
    provider.reset(chunks=3, chunk_delay_s=0.8)
    client = talker.client(**{"X-IBEX-Session-ID": "one"})
    streams = []
    for n in range(3):
        streams.append(
            client.chat.completions.create(model="m", messages=say(f"Say {n}"), stream=True)
        )
        time.sleep(0.2)
    stores.kill_postgres()
    for stream in streams:
        assert list(stream)
    stores.start_postgres()
    eventually(lambda: len(talker.turns()) == 3)
    assert [turn["index"] for turn in talker.turns()] == [0, 1, 2]


def test_kill_9_while_fifty_clients_talk_loses_no_answer(
    talker: Talker, provider: ProviderPeer, env: dict[str, str], tmp_path: Path
) -> None:
    provider.reset(chunks=3)
    received: list[str] = []
    running = threading.Event()
    running.set()
    threads = [
        threading.Thread(target=_talk, args=(talker, n, received, running)) for n in range(CLIENTS)
    ]
    for thread in threads:
        thread.start()
    time.sleep(SECONDS)
    talker.proxy.kill()
    running.clear()
    for thread in threads:
        thread.join()
    assert len(received) > CLIENTS
    again = make_proxy(env, tmp_path / "again.log").start()
    try:
        recorded = eventually(lambda: _missing(talker, received) == set() and talker.turns())
    finally:
        again.stop()
    assert len(recorded) >= len(received)  # type: ignore[arg-type]


def _talk(talker: Talker, n: int, received: list[str], running: threading.Event) -> None:
    """Talk until the proxy dies; note each request whose end was seen."""
    client = talker.client(**{"X-IBEX-Session-ID": f"client-{n}"})
    while running.is_set():
        try:
            raw = client.chat.completions.with_streaming_response.create(
                model="m", messages=say("Hi"), stream=n % 2 == 0
            )
            with raw as response:
                body = response.read()
        except Exception:  # noqa: BLE001, S112 - the proxy is being killed: anything may come
            continue
        if n % 2 or body.endswith(b"[DONE]\n\n"):
            received.append(response.headers["x-request-id"])


def _missing(talker: Talker, received: list[str]) -> set[str]:
    found = talker.rows("SELECT request_id FROM agent_sessions_turn")
    return set(received) - {row["request_id"] for row in found}


def test_a_crash_in_a_long_stream_leaves_the_part_that_was_said(
    talker: Talker, provider: ProviderPeer, env: dict[str, str], tmp_path: Path
) -> None:
    provider.reset(chunks=100, chunk_delay_s=0.1)
    stream = talker.client().chat.completions.create(model="m", messages=say("Hi"), stream=True)
    began = time.monotonic()
    for _chunk in stream:
        if time.monotonic() - began > 5.6:
            break
    talker.proxy.kill()
    assert talker.turns() == []
    again = make_proxy(env, tmp_path / "again.log").start()
    try:
        (turn,) = eventually(talker.turns)  # type: ignore[misc]
    finally:
        again.stop()
    assert (turn["is_complete"], turn["is_streaming"]) == (False, True)


def test_a_turn_that_postgres_refuses_does_not_hold_up_the_others(
    talker: Talker, stores: OwnStores, tmp_path: Path
) -> None:
    """A row whose agent is gone breaks a foreign key; it is set aside, the others are kept."""
    assert ask(talker, "first") == 200
    good, bad = talker.world.scout.pk, UUID(int=7)
    folder = tmp_path / "spool"
    abandoned = Spool(folder)
    abandoned.append([spooled(talker, n, agent) for n, agent in enumerate((good, bad, good))])
    adopt(talker, abandoned)
    eventually(lambda: len(talker.turns()) == 3)
    assert ask(talker, "after") == 200
    rejected = list(folder.rglob("*rejected.jsonl"))
    assert [json.loads(line)["request_id"] for f in rejected for line in f.open()] == ["spooled-1"]


def test_a_turn_that_a_dead_proxy_left_twice_is_counted_once(
    talker: Talker, tmp_path: Path
) -> None:
    """It died between spooling a long stream's end and dropping the stream's checkpoint."""
    abandoned = Spool(tmp_path / "spool")
    whole = spooled(talker, 0, talker.world.scout.pk)
    abandoned.append([whole])
    abandoned.checkpoint(replace(whole, is_complete=False))
    adopt(talker, abandoned)
    (turn,) = eventually(talker.turns)  # type: ignore[misc]
    assert turn["is_complete"] is True
    assert [session["turn_count"] for session in talker.sessions()] == [1]


def spooled(talker: Talker, n: int, agent: UUID) -> CallRecord:
    return CallRecord(
        org_id=talker.world.acme.pk,
        agent_id=agent,
        session_id=uuid7(),
        external_id=f"spooled-{n}",
        subject=None,
        request_id=f"spooled-{n}",
        model="m",
        provider="openai",
        is_streaming=False,
    )


def adopt(talker: Talker, abandoned: Spool) -> None:
    """Let the next proxy find what an abandoned spool holds."""
    assert abandoned._lock is not None
    abandoned._lock.close()  # as if its process had died
    talker.proxy.stop()
    talker.proxy.start()


def test_the_world_here_is_the_stores_own(talker: Talker) -> None:
    with tenant(talker.world.acme):
        assert Organization.objects.count() == 1
    assert isinstance(talker.world, World)
