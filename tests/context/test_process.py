"""`python -m context` as operators run it: ready, measured, drained, and refused when unsafe."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import grpc
import pytest

from context.proto import context_pb2, context_pb2_grpc
from ibex.ids import uuid7
from ibex.ports import DEFAULT_PORTS
from tests.conftest import ROOT, World, with_database
from tests.context.library import remember
from tests.processes import ServerProcess, free_offset, free_port

TOKEN = os.environ.get("IBEX_SERVICE_TOKEN", "")


@pytest.fixture
def process(database_url: str, tmp_path: Path) -> Iterator[ServerProcess]:
    """Run the service with nobody to embed for it."""
    offset = free_offset("context", "context_health")
    process = ServerProcess(
        "context",
        env={
            "IBEX_PORT_OFFSET": str(offset),
            "IBEX_DATABASE_URL": database_url,
            "IBEX_EMBEDDER_URL": f"http://127.0.0.1:{free_port()}",
            "IBEX_CONTEXT_BRANCH_MS": "2000",
            "IBEX_CONTEXT_DEADLINE_MS": "4000",
        },
        port=DEFAULT_PORTS["context_health"] + offset,
        log=tmp_path / "context.log",
    )
    yield process.start(path="/readyz")
    process.stop()


def assemble(process: ServerProcess, world: World) -> context_pb2.AssembleResponse:
    """Ask as the proxy does, from another process."""
    port = process.port - DEFAULT_PORTS["context_health"] + DEFAULT_PORTS["context"]
    request = context_pb2.AssembleRequest(
        org_id=str(world.acme.pk),
        agent_id=str(world.scout.pk),
        session_id=str(uuid7()),
        memory_scope="agent",
        query="peanuts allergy",
        budget_tokens=2_000,
        max_items=20,
    )
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = context_pb2_grpc.ContextAssemblyStub(channel)
        metadata = [("authorization", f"Bearer {TOKEN}")]
        return stub.Assemble(request, metadata=metadata, timeout=30)


def test_the_service_answers_is_measured_and_drains(
    committed_world: World, process: ServerProcess
) -> None:
    canary = "The user is allergic to peanuts, says canary-7413."
    remember(committed_world.scout, canary)
    answer = assemble(process, committed_world)
    assert (answer.level, len(answer.items)) == ("L1", 1)
    with urlopen(f"{process.url}/metrics", timeout=5) as response:
        metrics = response.read().decode()
    assert 'ibex_context_assemblies_total{level="L1"} 1.0' in metrics
    assert "ibex_context_candidates_count" in metrics
    assert process.process is not None
    process.process.send_signal(signal.SIGTERM)
    assert process.process.wait(timeout=20) == 0
    log = process.log.read_text()
    assert "Traceback" not in log
    assert "canary-7413" not in log
    assert "peanuts" not in log


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"IBEX_DATABASE_URL": None}, "IBEX_DATABASE_URL"),
        ({"IBEX_SERVICE_TOKEN": None}, "IBEX_SERVICE_TOKEN"),
        ({"IBEX_CONTEXT_BRANCH_MS": "40"}, "IBEX_CONTEXT_BRANCH_MS"),
        ({"IBEX_CONTEXT_DEADLINE_MS": "soon"}, "IBEX_CONTEXT_DEADLINE_MS"),
        ({"IBEX_DATABASE_URL": "owner"}, "bypasses row-level security"),
    ],
)
def test_an_unsafe_or_incomplete_start_ends_with_its_reason(
    database_url: str, owner_url: str, database_name: str, change: dict, reason: str
) -> None:
    offset = free_offset("context", "context_health")
    environment = {**os.environ, "IBEX_DATABASE_URL": database_url}
    environment["IBEX_PORT_OFFSET"] = str(offset)
    for name, value in change.items():
        environment.pop(name, None)
        if value is not None:
            owner = with_database(owner_url, database_name)
            environment[name] = owner if value == "owner" else value
    started = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-m", "context"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode != 0
    assert reason in ended.stderr
    assert "Traceback" not in ended.stderr
    assert time.monotonic() - started < 30
