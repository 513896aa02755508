"""A proxy that listens to the control channel through a relay, and what it then serves."""

import asyncio
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Self, cast

import aiohttp
import openai
import orjson
import pytest
from aiohttp import web

from control.models import Acknowledgement, Proxy
from directives.services import push_directive
from ibex.tenancy import tenant
from tests.conftest import TESTS, World
from tests.control.conftest import eventually, make_api
from tests.processes import ServerProcess, free_offset, free_port
from tests.proxy.conftest import Talker, make_proxy, say

CONTROL = "/ws/control"
STALE_S = 2.0
PAUSE_S = 0.02


class Relay:
    """Stands between a proxy and the consumer, and mistreats what the consumer says."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.port = free_port()
        self.mischief: Callable[[dict[str, Any]], list[dict[str, Any]]] = lambda said: [said]
        self.cut = False
        self.accepted_at: list[float] = []
        """When a proxy was let in, by `time.time()`."""
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
            self.accepted_at.append(time.time())
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
def own_redis_url(redis_url: str) -> str:
    """Where the processes of these tests find Redis; a module that kills its own says another."""
    return redis_url


@pytest.fixture(scope="module")
def api(
    database_url: str, own_redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    env = {
        "IBEX_PORT_OFFSET": str(free_offset("api")),
        "IBEX_DATABASE_URL": database_url,
        "IBEX_REDIS_URL": own_redis_url,
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


@dataclass(frozen=True)
class Answer:
    """One request's version, 0 for none; None when it got a 503. `began` by `time.time()`."""

    began: float
    version: int | None


class Witness:
    """Asks one proxy without a pause while something is done to the channel."""

    def __init__(self, talker: Talker) -> None:
        self.answers: list[Answer] = []
        self.pushed_at: dict[int, float] = {}
        self._talker = talker
        self._client = talker.client()
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(1)

    def __enter__(self) -> Self:
        self._asking = self._pool.submit(self._ask_on)
        return self

    def __exit__(self, *_error: object) -> None:
        self._stopping.set()
        self._asking.result(60)
        self._pool.shutdown()

    def push(self) -> int:
        """Push the next version; note when it was committed at the latest."""
        version = push_directive(
            agent=self._talker.world.scout, content=f"Text {time.time()}", actor=TESTS
        )
        self.pushed_at[version.number] = time.time()
        return version.number

    def until_served(self, number: int, timeout_s: float = 20) -> Answer:
        """Return the first answer with a version."""
        return cast("Answer", eventually(lambda: self._first(number), timeout_s))

    def check(self) -> None:
        """No old version was served 2 s after its end; none came back, none was only reported."""
        versions = [answer.version for answer in self.answers if answer.version is not None]
        assert versions
        assert versions == sorted(versions)
        with tenant(self._talker.world.acme):
            said = Acknowledgement.objects.filter(
                version__directive__agent=self._talker.world.scout
            )
            reported = {row.version.number: row.at for row in said.select_related("version")}
        for answer in self.answers:
            if answer.version is None:
                continue
            for number, at in self.pushed_at.items():
                assert answer.version >= number or answer.began - at <= STALE_S, (answer, number)
            for number, when in reported.items():
                assert answer.version >= number or answer.began <= when.timestamp(), answer

    def _first(self, number: int) -> Answer | None:
        return next((one for one in list(self.answers) if one.version == number), None)

    def _ask_on(self) -> None:
        create = self._client.chat.completions.with_raw_response.create
        while not self._stopping.is_set():
            began = time.time()
            version: int | None = None
            try:
                headers = create(model="m", messages=say("Hi")).headers
                version = int(headers.get("x-ibex-directive-version", 0))
            except openai.InternalServerError:
                version = None
            self.answers.append(Answer(began, version))
            time.sleep(PAUSE_S)


def until_kept(talker: Talker) -> None:
    """Talk until a request was answered without reading its caller."""

    def is_kept() -> bool:
        before = counted(talker.proxy, "kept")
        version_of(talker)
        return counted(talker.proxy, "kept") > before

    eventually(is_kept)
