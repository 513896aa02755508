"""A real consumer in a real API process, and a listener that speaks the channel's protocol."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from websockets.sync.client import ClientConnection, connect

from ibex.ids import uuid7
from tests.processes import ServerProcess, free_offset


@pytest.fixture(scope="session")
def api_env(database_url: str, redis_url: str) -> dict[str, str]:
    return {
        "IBEX_PORT_OFFSET": str(free_offset("api")),
        "IBEX_DATABASE_URL": database_url,
        "IBEX_REDIS_URL": redis_url,
    }


def make_api(env: dict[str, str], log: Path) -> ServerProcess:
    port = 8000 + int(env["IBEX_PORT_OFFSET"])
    return ServerProcess("ibex.serve", "api", env=env, port=port, log=log)


@pytest.fixture(scope="module")
def api(
    api_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    server = make_api(api_env, tmp_path_factory.mktemp("api") / "log").start()
    yield server
    server.stop()


class Ear:
    """One connection to `/ws/control`, as a proxy has it."""

    def __init__(self, api: ServerProcess, token: str | None = None) -> None:
        secret = os.environ["IBEX_SERVICE_TOKEN"] if token is None else token
        url = f"ws://127.0.0.1:{api.port}/ws/control"
        self.socket: ClientConnection = connect(
            url, additional_headers={"Authorization": f"Bearer {secret}"}, legacy=True
        )
        self.id = uuid7()
        self.welcomed_at = 0

    def say(self, **message: Any) -> None:
        self.socket.send(orjson.dumps(message).decode())

    def hello(self, name: str = "proxy-a") -> int:
        """Introduce oneself; return the revision one starts from."""
        self.say(type="hello", proxy=str(self.id), name=name)
        welcome = self.next()
        assert welcome["type"] == "welcome"
        self.welcomed_at = int(welcome["revision"])
        return self.welcomed_at

    def next(self) -> dict[str, Any]:
        message: dict[str, Any] = orjson.loads(self.socket.recv(timeout=10))
        return message

    def until(self, kind: str) -> dict[str, Any]:
        """Return the next message of a kind; other ones may come first.

        So may what the welcome's revision already has in it: the server listens before it reads.
        """
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            message = self.next()
            if message["type"] == kind and not self._is_late(message):
                return message
        raise AssertionError(kind)

    def _is_late(self, message: dict[str, Any]) -> bool:
        if message["type"] == "change":
            return bool(message["revision"] <= self.welcomed_at)
        return bool(message["revision"] < self.welcomed_at)


@pytest.fixture
def make_ear(api: ServerProcess) -> Iterator[Callable[..., Ear]]:
    ears: list[Ear] = []

    def make(token: str | None = None) -> Ear:
        ears.append(Ear(api, token))
        return ears[-1]

    yield make
    for ear in ears:
        ear.socket.close()


def eventually(condition: Callable[[], Any], timeout_s: float = 20) -> Any:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError("it did not happen")
