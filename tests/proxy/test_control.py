"""A proxy keeps what it read while it hears of every change, and never runs an old one."""

import asyncio
import random
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import openai
import orjson
import pytest
from aiohttp import web

from agents.services import activate_agent, pause_agent
from control.models import Acknowledgement, Proxy
from directives.services import push_directive
from ibex.tenancy import tenant
from orgs.models import Organization
from orgs.services import revoke_token
from tests.conftest import TESTS, World
from tests.control.conftest import eventually, make_api
from tests.processes import ServerProcess, free_offset, free_port
from tests.proxy.conftest import Talker, make_proxy, say
from tests.proxy.provider import ProviderPeer

CONTROL = "/ws/control"
STALE_S = 2.0


class Relay:
    """Stands between a proxy and the consumer, and mistreats what the consumer says."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.port = free_port()
        self.mischief: Callable[[dict[str, Any]], list[dict[str, Any]]] = lambda said: [said]
        self.cut = False
        self._sockets: set[web.WebSocketResponse] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}{CONTROL}"

    def start(self) -> "Relay":
        self._thread.start()
        return self

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def hang_up(self) -> None:
        """Cut every connection and let nobody in until `cut` is False."""
        self.cut = True
        for socket in list(self._sockets):
            asyncio.run_coroutine_threadsafe(socket.close(), self._loop).result(10)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        app = web.Application()
        app.router.add_get(CONTROL, self._relay)
        runner = web.AppRunner(app)
        self._loop.run_until_complete(runner.setup())
        self._loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", self.port).start())
        self._loop.run_forever()

    async def _relay(self, request: web.Request) -> web.StreamResponse:
        if self.cut:
            raise web.HTTPServiceUnavailable
        near = web.WebSocketResponse()
        headers = {"Authorization": request.headers["Authorization"]}
        async with (
            aiohttp.ClientSession() as client,
            client.ws_connect(self.target, headers=headers) as far,
        ):
            await near.prepare(request)
            self._sockets.add(near)
            up = asyncio.create_task(self._upwards(near, far))
            async for message in far:
                for said in self.mischief(orjson.loads(message.data)):
                    await near.send_str(orjson.dumps(said).decode())
            up.cancel()
        self._sockets.discard(near)
        return near

    @staticmethod
    async def _upwards(near: web.WebSocketResponse, far: aiohttp.ClientWebSocketResponse) -> None:
        async for message in near:
            await far.send_str(message.data)
        await far.close()


@pytest.fixture(scope="module")
def api(
    database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    env = {
        "IBEX_PORT_OFFSET": str(free_offset("api")),
        "IBEX_DATABASE_URL": database_url,
        "IBEX_REDIS_URL": redis_url,
    }
    server = make_api(env, tmp_path_factory.mktemp("api") / "log").start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def relay(api: ServerProcess) -> Iterator[Relay]:
    between = Relay(f"ws://127.0.0.1:{api.port}{CONTROL}").start()
    yield between
    between.stop()


@pytest.fixture(scope="module")
def connected(
    relay: Relay, proxy_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    env = {
        **proxy_env,
        "IBEX_PORT_OFFSET": str(free_offset("proxy")),
        "IBEX_SPOOL_DIR": str(tmp_path_factory.mktemp("spool")),
        "IBEX_CONTROL_URL": relay.url,
        "IBEX_PROXY_NAME": "proxy-under-test",
    }
    server = make_proxy(env, tmp_path_factory.mktemp("proxy") / "log").start()
    yield server
    server.stop()


@pytest.fixture
def talker(
    connected: ServerProcess, relay: Relay, committed_world: World, database_url: str
) -> Talker:
    relay.mischief, relay.cut = lambda said: [said], False
    eventually(is_connected)
    return Talker(connected, committed_world, database_url)


def is_connected() -> bool:
    return Proxy.objects.filter(name="proxy-under-test", left_at=None).exists()


def counted(proxy: ServerProcess, found: str) -> float:
    """Return how many callers the proxy read, or had kept."""
    text = metrics_of(proxy)
    name = f'ibex_proxy_routes_total{{found="{found}"}} '
    return float(next((line.split()[1] for line in text.splitlines() if line.startswith(name)), 0))


def metrics_of(proxy: ServerProcess) -> str:
    with urllib.request.urlopen(f"{proxy.url}/metrics", timeout=5) as response:
        return str(response.read().decode())


def version_of(talker: Talker) -> str | None:
    raw = talker.client().chat.completions.with_raw_response.create(model="m", messages=say("Hi"))
    return str(raw.headers.get("x-ibex-directive-version"))


def until_kept(talker: Talker) -> None:
    """Talk until a request was answered without reading its caller."""

    def is_kept() -> bool:
        before = counted(talker.proxy, "kept")
        version_of(talker)
        return counted(talker.proxy, "kept") > before

    eventually(is_kept)


def test_a_caller_is_read_once_and_then_kept(talker: Talker) -> None:
    until_kept(talker)
    before = counted(talker.proxy, "read")
    for _ in range(5):
        version_of(talker)
    assert counted(talker.proxy, "read") == before


def test_a_named_session_is_kept_from_its_second_request_on(talker: Talker) -> None:
    until_kept(talker)
    client = talker.client(**{"X-IBEX-Session-ID": "one"})
    for text in ("a", "b", "c", "d"):
        client.chat.completions.create(model="m", messages=say(text))
    before = counted(talker.proxy, "read")
    client.chat.completions.create(model="m", messages=say("e"))
    assert counted(talker.proxy, "read") == before
    (session,) = [row for row in talker.sessions() if row["external_id"] == "one"]
    assert session["turn_count"] == 5


def test_a_pushed_directive_is_used_and_acknowledged(talker: Talker) -> None:
    until_kept(talker)
    for number in (1, 2, 3):
        version = push_directive(agent=talker.world.scout, content=f"V{number}", actor=TESTS)

        def acknowledged(pk: Any = version.pk) -> bool:
            with tenant(talker.world.acme):
                return Acknowledgement.objects.filter(
                    version=pk, proxy_name="proxy-under-test"
                ).exists()

        eventually(acknowledged)
        assert version_of(talker) == str(number)


def test_a_revoked_token_is_refused_at_once(talker: Talker) -> None:
    until_kept(talker)
    revoke_token(token=talker.world.token_row(talker.token), actor=TESTS)
    eventually(lambda: status_of(talker) == 401, STALE_S)


def test_a_paused_agent_and_a_suspended_org_are_refused_at_once(talker: Talker) -> None:
    until_kept(talker)
    pause_agent(agent=talker.world.scout, actor=TESTS)
    eventually(lambda: status_of(talker) == 403, STALE_S)
    activate_agent(agent=talker.world.scout, actor=TESTS)
    eventually(lambda: status_of(talker) == 200, STALE_S)
    with tenant(talker.world.acme):
        Organization.objects.filter(pk=talker.world.acme.pk).update(status="suspended")
    eventually(lambda: status_of(talker) == 403, STALE_S)


def status_of(talker: Talker) -> int:
    try:
        version_of(talker)
    except openai.APIStatusError as error:
        return error.status_code
    return 200


def test_with_the_socket_cut_nothing_old_is_run(talker: Talker, relay: Relay) -> None:
    until_kept(talker)
    relay.hang_up()
    push_directive(agent=talker.world.scout, content="While cut", actor=TESTS)
    eventually(lambda: version_of(talker) == "1", STALE_S)
    for number in (2, 3):
        push_directive(agent=talker.world.scout, content=f"V{number}", actor=TESTS)
        assert version_of(talker) == str(number)  # every request reads, there is no cache to trust
    relay.cut = False
    until_kept(talker)
    assert version_of(talker) == "3"


def test_a_silent_consumer_is_not_trusted(talker: Talker, relay: Relay) -> None:
    until_kept(talker)
    relay.mischief = lambda _said: []
    push_directive(agent=talker.world.scout, content="Unheard", actor=TESTS)
    began = time.monotonic()
    eventually(lambda: version_of(talker) == "1", 10)
    assert time.monotonic() - began < STALE_S + 1.5


def test_messages_dropped_doubled_and_shuffled_never_leave_an_old_version(
    talker: Talker, relay: Relay
) -> None:
    until_kept(talker)
    dice = random.Random(7)  # noqa: S311 - mischief that can be repeated
    held: list[dict[str, Any]] = []

    def mistreat(said: dict[str, Any]) -> list[dict[str, Any]]:
        if said["type"] in {"welcome", "reset"}:
            return [said]
        fate = dice.random()
        if fate < 0.3:
            return []
        if fate < 0.5:
            held.append(said)
            return []
        late, held[:] = held[:], []
        return [said, said, *late] if fate < 0.75 else [said, *late]

    relay.mischief = mistreat
    for number in range(1, 9):
        push_directive(agent=talker.world.scout, content=f"V{number}", actor=TESTS)
        pushed = time.monotonic()
        heard = [version_of(talker)]
        while heard[-1] != str(number):
            assert time.monotonic() - pushed < STALE_S + 2.5
            heard.append(version_of(talker))
        assert [int(v or 0) for v in heard if v != "None"] == sorted(
            int(v or 0) for v in heard if v != "None"
        )
    relay.mischief = lambda said: [said]
    until_kept(talker)
    assert version_of(talker) == "8"


def test_a_killed_consumer_is_found_again(
    talker: Talker, api: ServerProcess, tmp_path: Path, provider: ProviderPeer
) -> None:
    until_kept(talker)
    api.kill()
    push_directive(agent=talker.world.scout, content="While it is dead", actor=TESTS)
    eventually(lambda: version_of(talker) == "1", STALE_S)
    api.log = tmp_path / "again.log"
    api.start()
    began = time.monotonic()
    until_kept(talker)
    assert version_of(talker) == "1"
    assert time.monotonic() - began < 20
