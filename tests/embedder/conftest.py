"""A real embedder, a real Redis and real clients; nothing is mocked."""

import asyncio
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import uvicorn

from embedder.app import App
from embedder.config import Config
from embedder.limits import EMBEDDING_MODEL
from embedder.model import Model, ensure_model_file
from ibex.ids import uuid7

SERVICE_TOKEN = "a-service-token-made-only-for-tests"
PATIENCE_S = 10


def wait(true: Callable[[], object]) -> None:
    """Come back as soon as something is so; fail after ten seconds."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


@dataclass
class Answer:
    """What came back from one request."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        """Decode the body."""
        return json.loads(self.text)

    @property
    def error(self) -> Any:
        """Return what is inside the error envelope."""
        return self.json["error"]


@dataclass
class Server:
    """An embedder in a thread of this process, on a port of its own."""

    config: Config
    port: int = 0
    server: uvicorn.Server = field(init=False)
    thread: threading.Thread = field(init=False)

    @property
    def url(self) -> str:
        """Say where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen; a port that it had before is taken again."""
        listener = socket.create_server(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        self.server = uvicorn.Server(
            uvicorn.Config(App(self.config), lifespan="on", log_config=None, access_log=False)
        )
        self.thread = threading.Thread(
            target=lambda: asyncio.run(self.server.serve(sockets=[listener])), daemon=True
        )
        self.thread.start()
        wait(lambda: self.server.started)

    def stop(self) -> None:
        """Stop as SIGTERM does."""
        self.server.should_exit = True
        self.thread.join(PATIENCE_S)

    def wait_until_ready(self) -> None:
        """Wait for the model."""
        wait(lambda: self.get("/readyz").status == 200)

    def get(self, path: str, method: str = "GET") -> Answer:
        """Ask without a body."""
        return self.request(method, path, None, {})

    def post(self, body: Any, **headers: str | None) -> Answer:
        """Post a body (encoded unless bytes) with sound headers; None takes one away."""
        given = {
            "authorization": f"Bearer {self.config.service_token}",
            "content-type": "application/json",
            "x-ibex-org-id": str(uuid7()),
        } | {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {name: value for name, value in given.items() if value is not None}
        encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.request("POST", "/v1/embeddings", encoded, sent)

    def embed(self, text: str | list[str], **fields: Any) -> Answer:
        """Ask for embeddings, for a new org unless one is given."""
        org = fields.pop("org", None)
        body = {"model": EMBEDDING_MODEL, "input": text} | fields
        return self.post(body, x_ibex_org_id=str(org or uuid7()))

    def request(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> Answer:
        """Send one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            sent = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, sent, answer.read().decode())
        finally:
            connection.close()

    def metric(self, name: str) -> float:
        """Read one sample, labels included in its name; 0 before it is first counted."""
        found = re.search(rf"^{re.escape(name)} (.+)$", self.get("/metrics").text, re.MULTILINE)
        return float(found[1]) if found else 0.0


@dataclass
class RedisServer:
    """A redis-server on a socket in a folder, that can be killed and started again."""

    folder: Path
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        """Say where it listens."""
        return f"unix://{self.folder}/redis.sock"

    def start(self) -> None:
        """Start it and wait for its socket."""
        program = Path(sys.executable).with_name("redis-server")
        options = ["--port", "0", "--unixsocket", f"{self.folder}/redis.sock", "--save", ""]
        self.process = subprocess.Popen(
            [program, *options, "--dir", self.folder], stdout=subprocess.DEVNULL
        )
        wait(self._answers)

    def kill(self) -> None:
        """Kill it, as `kill -9` does."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def freeze(self) -> None:
        """Let it hang: it accepts and never answers."""
        assert self.process
        self.process.send_signal(signal.SIGSTOP)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(f"{self.folder}/redis.sock") == 0


@pytest.fixture(scope="session")
def wait_until() -> Callable[[Callable[[], object]], None]:
    """Hand `wait` to the tests."""
    return wait


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    ensure_model_file(folder)
    return folder


@pytest.fixture(scope="session")
def model(model_dir: Path) -> Model:
    return Model(ensure_model_file(model_dir), threads=1)


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if given := os.environ.get("IBEX_REDIS_URL"):
        yield given
        return
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server.url
    server.kill()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that the test may kill."""
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def serve(model_dir: Path) -> Callable[..., Any]:
    """Start one more embedder for the length of a `with` block."""

    @contextmanager
    def serving(redis_url: str, folder: Path = model_dir, *, ready: bool = True):
        # A busy test machine must not look like a dead Redis.
        server = Server(Config(SERVICE_TOKEN, redis_url, folder, cache_timeout_ms=1_000))
        server.start()
        try:
            if ready:
                server.wait_until_ready()
            yield server
        finally:
            server.stop()

    return serving


@pytest.fixture(scope="session")
def embedder(serve: Callable[..., Any], redis_url: str) -> Iterator[Server]:
    """The embedder that most tests share; each uses organizations of its own."""
    with serve(redis_url) as server:
        yield server


@pytest.fixture
def org() -> UUID:
    return uuid7()


@pytest.fixture
def environment(model_dir: Path, redis_url: str) -> dict[str, str]:
    """What a process of its own needs, and nothing of ours."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        free = probe.getsockname()[1]
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "IBEX_SERVICE_TOKEN": SERVICE_TOKEN,
        "IBEX_REDIS_URL": redis_url,
        "IBEX_MODEL_DIR": str(model_dir),
        "IBEX_PORT_OFFSET": str(free - 8004),
    }
