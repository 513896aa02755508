"""A proxy keeps what it read while it hears of every change, and never runs an old one."""

import asyncio
import itertools
import random
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


def test_with_the_socket_cut_every_request_reads(talker: Talker, relay: Relay) -> None:
    until_kept(talker)
    relay.hang_up()
    push_directive(agent=talker.world.scout, content="While cut", actor=TESTS)
    eventually(lambda: version_of(talker) == "1", STALE_S)
    for number in (2, 3):
        push_directive(agent=talker.world.scout, content=f"V{number}", actor=TESTS)
        assert version_of(talker) == str(number)  # there is no cache to trust
    relay.cut = False
    until_kept(talker)
    assert version_of(talker) == "3"


def test_a_silent_consumer_is_not_trusted(talker: Talker, relay: Relay) -> None:
    push_directive(agent=talker.world.scout, content="Heard", actor=TESTS)
    until_kept(talker)
    with Witness(talker) as witness:
        eventually(lambda: witness.answers)
        relay.mischief = lambda _said: []
        silent_from = time.time()
        assert witness.push() == 2
        assert witness.until_served(2).began - silent_from <= STALE_S + 1
    witness.check()


FATES = ("lost", "late", "doubled", "as it is")


class Mischief:
    """Gives the messages of each kind every fate in turn; what is late comes with a later one."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)  # noqa: S311 - mischief that can be repeated
        self._fates: dict[str, Iterator[str]] = {}
        self._held: list[dict[str, Any]] = []
        self.done: set[tuple[str, str]] = set()

    def __call__(self, said: dict[str, Any]) -> list[dict[str, Any]]:
        kind = said["type"]
        if kind not in self._fates:
            self._fates[kind] = itertools.cycle(self._dice.sample(FATES, len(FATES)))
        fate = next(self._fates[kind])
        self.done.add((kind, fate))
        if fate == "lost":
            return []
        if fate == "late":
            self._held.append(said)
            return []
        arrived, self._held = [said, *self._held], []
        if fate == "doubled":
            arrived.append(said)
        self._dice.shuffle(arrived)
        return arrived

    @property
    def is_complete(self) -> bool:
        kinds = ("welcome", "reset", "change", "revision")
        return {(kind, fate) for kind in kinds for fate in FATES} <= self.done


def test_messages_of_every_kind_lost_doubled_and_late_never_leave_an_old_version(
    talker: Talker, relay: Relay
) -> None:
    push_directive(agent=talker.world.scout, content="Heard", actor=TESTS)
    until_kept(talker)
    mischief = relay.mischief = Mischief(seed=7)
    with Witness(talker) as witness:
        for turn in range(60):
            if turn % 3 == 0:  # or no welcome would ever be said
                relay.hang_up()
                relay.cut, cut_at = False, time.time()
                eventually(lambda at=cut_at: relay.accepted_at[-1] > at)  # type: ignore[misc]
            number = witness.push()
            assert witness.until_served(number).began - witness.pushed_at[number] <= STALE_S + 1
            if mischief.is_complete:
                break
        assert mischief.is_complete, mischief.done
        relay.mischief = lambda said: [said]
        until_kept(talker)
    witness.check()
    assert version_of(talker) == str(number)
