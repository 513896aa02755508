"""In development one address is enough; in production the data port shows no console."""

import asyncio
import http.client
import threading
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.processes import ServerProcess, free_offset, free_port
from tests.proxy.conftest import make_proxy


class Role:
    """A server that stands where a Django role would: it says its name, and echoes frames."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = free_port()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()
        assert self._ready.wait(10)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        app = web.Application()
        app.router.add_get("/ws/{tail:.*}", self._echo)
        app.router.add_route("*", "/{tail:.*}", self._name)
        runner = web.AppRunner(app)
        self._loop.run_until_complete(runner.setup())
        self._loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", self.port).start())
        self._ready.set()
        self._loop.run_forever()

    async def _name(self, request: web.Request) -> web.Response:
        body = await request.read()
        text = f"{self.name} {request.method} {request.path_qs} {len(body)}"
        response = web.Response(text=text, status=299)
        response.headers.add("Set-Cookie", "a=1")
        response.headers.add("Set-Cookie", "b=2")
        return response

    async def _echo(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=("ibex.v1",))
        await socket.prepare(request)
        await socket.send_str(f"{self.name} {request.headers.get('Authorization')}")
        async for message in socket:
            if message.data == "bye":
                await socket.close(code=4001)
            elif message.type is aiohttp.WSMsgType.BINARY:
                await socket.send_bytes(message.data)
            else:
                await socket.send_str(message.data)
        return socket


@pytest.fixture(scope="module")
def roles() -> dict[str, Role]:
    return {name: Role(name) for name in ("api", "memory", "dashboard")}


@pytest.fixture(scope="module", params=[True, False], ids=["development", "production"])
def forwarding(
    request: pytest.FixtureRequest,
    proxy_env: dict[str, str],
    roles: dict[str, Role],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[ServerProcess, bool]]:
    env = {
        **proxy_env,
        "IBEX_PORT_OFFSET": str(free_offset("proxy")),
        "IBEX_FORWARD": "true" if request.param else "false",
        **{f"IBEX_{n.upper()}_URL": f"http://127.0.0.1:{r.port}" for n, r in roles.items()},
    }
    server = make_proxy(env, tmp_path_factory.mktemp("forward") / "log").start()
    yield server, request.param
    server.stop()


def get(
    server: ServerProcess, path: str, method: str = "GET", body: bytes = b""
) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request(method, path, body)
    response = connection.getresponse()
    content = response.read().decode()
    if response.status == 299:
        assert response.headers.get_all("set-cookie") == ["a=1", "b=2"]
        assert response.headers["x-request-id"]
    connection.close()
    return response.status, content


def test_paths_go_where_they_belong(forwarding: tuple[ServerProcess, bool]) -> None:
    server, on = forwarding
    assert get(server, "/v1/memories?limit=3") == (299, "memory GET /v1/memories?limit=3 0")
    assert get(server, "/v1/memories/x", "DELETE") == (299, "memory DELETE /v1/memories/x 0")
    for path in ("/v1/unknown", "/v1", "/mcp"):
        assert get(server, path)[0] == 404
    for path, role in (
        ("/api/v1/agents?x=1", "api"),
        ("/agents/", "dashboard"),
        ("/", "dashboard"),
    ):
        expected = (299, f"{role} POST {path} 5") if on else 404
        got = get(server, path, "POST", b"hello")
        assert (got if on else got[0]) == expected


async def test_websockets_are_relayed_both_ways(forwarding: tuple[ServerProcess, bool]) -> None:
    server, on = forwarding
    async with aiohttp.ClientSession() as client:
        if not on:
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await client.ws_connect(f"{server.url}/ws/control/")
            return
        async with client.ws_connect(
            f"{server.url}/ws/control/",
            headers={"Authorization": "Bearer x"},
            protocols=("ibex.v1",),
        ) as socket:
            assert socket.protocol == "ibex.v1"
            assert await socket.receive_str() == "api Bearer x"
            await socket.send_str("héllo")
            assert await socket.receive_str() == "héllo"
            await socket.send_bytes(b"\x00\xff")
            assert await socket.receive_bytes() == b"\x00\xff"
            await socket.send_str("bye")
            assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
            assert socket.close_code == 4001


async def test_a_socket_to_a_role_that_is_away_is_closed(
    proxy_env: dict[str, str], tmp_path: Path
) -> None:
    env = {
        **proxy_env,
        "IBEX_PORT_OFFSET": str(free_offset("proxy")),
        "IBEX_FORWARD": "true",
        "IBEX_API_URL": "http://127.0.0.1:1",
    }
    server = make_proxy(env, tmp_path / "log")
    await asyncio.to_thread(server.start)
    try:
        assert (await asyncio.to_thread(get, server, "/api/v1/agents"))[0] == 503
        async with aiohttp.ClientSession() as client:
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await client.ws_connect(f"{server.url}/ws/control/")
    finally:
        server.stop()
