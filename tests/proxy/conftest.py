"""A real proxy process in front of a provider peer, on this worker's database."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import openai
import psycopg
import pytest
from psycopg.rows import dict_row

from tests.conftest import World
from tests.processes import ServerProcess, free_offset
from tests.proxy.provider import ProviderPeer


@pytest.fixture(scope="session")
def provider() -> Iterator[ProviderPeer]:
    peer = ProviderPeer().start()
    yield peer
    peer.stop()


@pytest.fixture(scope="session")
def proxy_env(
    database_url: str,
    redis_url: str,
    provider: ProviderPeer,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, str]:
    offset = free_offset("proxy")
    return {
        "IBEX_PORT_OFFSET": str(offset),
        "IBEX_DATABASE_URL": database_url,
        "IBEX_REDIS_URL": redis_url,
        "IBEX_LLM_MODE": "live",
        "OPENAI_API_KEY": "sk-of-the-provider",
        "OPENAI_BASE_URL": provider.base_url,
        "IBEX_SPOOL_DIR": str(tmp_path_factory.mktemp("spool")),
        "IBEX_CONTEXT_ADDR": "127.0.0.1:1",
        "IBEX_PROVIDER_TIMEOUT_S": "4",
    }


def make_proxy(env: dict[str, str], log: Path) -> ServerProcess:
    port = 8080 + int(env["IBEX_PORT_OFFSET"])
    return ServerProcess("proxy", env=env, port=port, log=log)


@pytest.fixture(scope="session")
def proxy(
    proxy_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    server = make_proxy(proxy_env, tmp_path_factory.mktemp("proxy") / "log").start()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def fresh_behaviour(provider: ProviderPeer) -> None:
    provider.reset()


class Talker:
    """An agent developer: the official client, and the database to see what was recorded."""

    def __init__(self, proxy: ServerProcess, world: World, database_url: str) -> None:
        self.proxy = proxy
        self.world = world
        self.token = world.token()
        self._database_url = database_url

    def client(
        self, token: str | None = None, agent: object = None, **headers: str
    ) -> openai.OpenAI:
        return openai.OpenAI(
            base_url=f"{self.proxy.url}/v1",
            api_key=token or self.token,
            default_headers={"X-IBEX-Agent-ID": str(agent or self.world.scout.pk), **headers},
            max_retries=0,
            timeout=30,
        )

    def rows(self, sql: str, *values: Any, org: UUID | None = None) -> list[dict[str, Any]]:
        """Read as `ibex_app` inside a tenant: Acme's unless told otherwise."""
        with psycopg.connect(self._database_url, row_factory=dict_row) as connection:
            tenant = str(org or self.world.acme.pk)
            connection.execute("SELECT set_config('ibex.org_id', %s, true)", [tenant])
            return connection.execute(sql, values).fetchall()

    def turns(self) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM agent_sessions_turn ORDER BY created_at, index")

    def sessions(self) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM agent_sessions_session ORDER BY created_at")


@pytest.fixture
def talker(proxy: ServerProcess, committed_world: World, database_url: str) -> Talker:
    return Talker(proxy, committed_world, database_url)


def say(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]
