"""A real embedder for tests that need meaning, and none for those that do not."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from ibex.ports import DEFAULT_PORTS
from memories.indexing import vectors
from tests.processes import ServerProcess, free_offset, free_port


@pytest.fixture(scope="session")
def embedder(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Run `python -m embedder` for the whole session."""
    offset = free_offset("embedder")
    process = ServerProcess(
        "embedder",
        env={"IBEX_PORT_OFFSET": str(offset), "IBEX_REDIS_URL": redis_url},
        port=DEFAULT_PORTS["embedder"] + offset,
        log=tmp_path_factory.mktemp("embedder") / "embedder.log",
    )
    yield process.start(path="/readyz")
    process.stop()


@pytest.fixture
def embedding(embedder: ServerProcess, settings: Any) -> Iterator[ServerProcess]:
    """Let the services of this test embed."""
    settings.EMBEDDER_URL = embedder.url
    settings.SERVICE_TOKEN = os.environ["IBEX_SERVICE_TOKEN"]
    vectors.embedder.cache_clear()
    yield embedder
    vectors.embedder.cache_clear()


@pytest.fixture
def no_embedding(settings: Any) -> Iterator[None]:
    """Take the embedder away: its port is closed."""
    settings.EMBEDDER_URL = f"http://127.0.0.1:{free_port()}"
    vectors.embedder.cache_clear()
    yield
    vectors.embedder.cache_clear()
