"""The process: its settings, its end, and what it never writes down."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from uuid import UUID

import pytest

from embedder.client import EmbedderClient
from embedder.errors import EmbeddingUnavailable, TextRefused

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "embedder"]
CANARY = "quokka-canary"


@pytest.fixture
def process(environment, tmp_path: Path):
    """A process of its own, with everything it logs in a file."""
    log = tmp_path / "log"
    with log.open("wb") as stderr:
        started = subprocess.Popen(
            COMMAND, env=environment | {"IBEX_LOG_LEVEL": "DEBUG"}, cwd=tmp_path, stderr=stderr
        )
    started.log = log
    started.url = f"http://127.0.0.1:{8004 + int(environment['IBEX_PORT_OFFSET'])}"
    yield started
    if started.poll() is None:
        started.kill()
        started.wait()


@pytest.fixture
def client(process, environment) -> EmbedderClient:
    client = EmbedderClient(process.url, environment["IBEX_SERVICE_TOKEN"], 20)
    for _ in range(1_000):
        try:
            client.embed_sync(UUID(int=1), ["are you there"], "query")
        except EmbeddingUnavailable:
            time.sleep(0.01)
        else:
            return client
    raise AssertionError(process.log.read_text())


def test_sigterm_lets_a_request_finish(process, client: EmbedderClient) -> None:
    texts = [f"{os.getpid()} {number} " + "word " * 100 for number in range(60)]
    answers = []
    asking = threading.Thread(
        target=lambda: answers.append(client.embed_sync(UUID(int=1), texts, "passage"))
    )
    asking.start()
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    asking.join(20)
    assert answers[0].shape == (60, 384)
    assert process.wait(10) in {0, -signal.SIGTERM}


def test_no_text_is_ever_logged(process, client: EmbedderClient) -> None:
    client.embed_sync(UUID(int=1), [f"The password is {CANARY}."], "passage")
    with pytest.raises(TextRefused):
        client.embed_sync(UUID(int=1), [f"{CANARY} " * 5_000], "passage")
    process.send_signal(signal.SIGTERM)
    process.wait(10)
    log = process.log.read_text()
    assert "model ready" in log
    assert CANARY not in log


def run(environment, folder: Path):
    return subprocess.run(
        COMMAND, env=environment, cwd=folder, capture_output=True, timeout=20, check=False
    )


def test_a_missing_setting_stops_the_process_with_its_name(environment, tmp_path: Path) -> None:
    for name in ("IBEX_SERVICE_TOKEN", "IBEX_REDIS_URL"):
        kept = {key: value for key, value in environment.items() if key != name}
        ended = run(kept, tmp_path)
        assert ended.returncode == 1
        assert name in ended.stderr.decode()


def test_a_short_token_is_refused_in_production(environment, tmp_path: Path) -> None:
    weak = environment | {"IBEX_SERVICE_TOKEN": "short"}
    ended = run(weak, tmp_path)
    assert ended.returncode == 1
    assert "IBEX_SERVICE_TOKEN is shorter than 32" in ended.stderr.decode()


def test_it_runs_without_django() -> None:
    script = "import embedder.__main__, embedder.client, sys; sys.exit('django' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, timeout=20)


def test_every_setting_is_in_the_example_with_a_comment() -> None:
    modules = [*(ROOT / "embedder").glob("*.py")]
    modules += [ROOT / "ibex" / name for name in ("env.py", "logs.py", "ports.py")]
    code = "\n".join(module.read_text() for module in modules)
    read = set(re.findall(r'"(IBEX_[A-Z_]+)"', code))
    example = (ROOT / "infra" / "env" / "embedder.env.example").read_text()
    assert read == set(re.findall(r"(?<=\n)# .+\n(IBEX_[A-Z_]+)=", example))
