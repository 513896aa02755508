"""Whatever the document allows, and much that it does not: no 5xx, no status it does not name.

Requests are made up from the exported document and sent to real processes of both API roles.
About half of the ids are of rows that exist.
"""

import json
from collections.abc import Iterator
from typing import Any
from zlib import crc32

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from agents.models import Agent
from agents.services import create_agent
from directives.services import push_directive
from ibex.ids import uuid7
from orgs.permissions import ALL
from tests.api.rows import (
    make_dead_letter,
    make_job,
    make_memory,
    make_session,
    make_token,
    make_turn,
)
from tests.conftest import FULL, ROOT, TESTS, World, make_world
from tests.processes import ServerProcess, free_offset

EXAMPLES = 40 if FULL else 4
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
PORTS = {"api": 8000, "memory": 8005}
PATIENCE_S = 30

schema = schemathesis.openapi.from_dict(json.loads((ROOT / "docs/api/openapi.json").read_text()))


STOPS_THE_AGENT = {"/api/v1/agents/{id}/archive", "/api/v1/agents/{id}/pause"}
"""What would make every later call of the agent a refusal."""
NUMBER = "1"
"""A version of the directive that exists."""


class Target:
    """Both roles as processes, a token that may do everything, and rows to ask for."""

    def __init__(self, world: World, urls: dict[str, str]) -> None:
        self.urls = urls
        self.http = requests.Session()
        self.headers = {
            "Authorization": f"Bearer {world.token(permissions=ALL)}",
            "X-IBEX-Agent-ID": str(world.scout.pk),
        }
        self.org = world.acme
        session = make_session(world.scout)
        make_turn(session)
        for content in ("Be kind.", "Be brief."):
            push_directive(agent=world.scout, content=content, actor=TESTS)
        self.rows = {
            "agents": world.scout.pk,
            "memories": make_memory(world.scout).pk,
            "sessions": session.pk,
            "tokens": make_token(world.scout).pk,
            "jobs": make_job(world.scout).pk,
            "dead-letters": make_dead_letter(session).pk,
        }

    def url(self, path: str) -> str:
        """Return the base URL of the role that serves a path."""
        return self.urls["memory" if path.startswith("/v1/") else "api"]

    def point_at_known(self, case: schemathesis.Case) -> None:
        """Put ids of rows that exist in place of every other made-up one.

        What stops an agent gets one of its own, for the others go on with theirs.
        """
        for name, made_up in case.path_parameters.items():
            kind = "agents" if name == "agent_id" else case.path.split("/v1/")[1].split("/")[0]
            if crc32(str(made_up).encode()) % 2 == 0:
                continue
            if name == "number":
                case.path_parameters[name] = NUMBER
            elif case.path in STOPS_THE_AGENT:
                case.path_parameters[name] = str(self.fresh_agent().pk)
            elif kind in self.rows:
                case.path_parameters[name] = str(self.rows[kind])

    def fresh_agent(self) -> Agent:
        """Make an agent that may be stopped."""
        return create_agent(
            org=self.org, name="Spent", slug=f"spent-{uuid7()}", memory_scope="agent", actor=TESTS
        )


@pytest.fixture(scope="module")
def target(
    database_url: str,
    redis_url: str,
    django_db_setup: None,
    django_db_blocker: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("roles")
    offset = free_offset("api", "memory")
    env = {
        "IBEX_PORT_OFFSET": str(offset),
        "IBEX_DATABASE_URL": database_url,
        "IBEX_REDIS_URL": redis_url,
        "IBEX_HOME": str(folder),
    }
    processes = [
        ServerProcess("ibex.serve", role, env=env, port=port + offset, log=folder / f"{role}.log")
        for role, port in PORTS.items()
    ]
    with django_db_blocker.unblock():
        world = make_world()
        for process in processes:
            process.start()
        yield Target(world, {role: f"http://127.0.0.1:{p + offset}" for role, p in PORTS.items()})
    for process in processes:
        process.stop()


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_one_that_the_document_names(
    case: schemathesis.Case, target: Target
) -> None:
    target.point_at_known(case)
    answer = case.call(
        base_url=target.url(case.path),
        session=target.http,
        headers=target.headers,
        timeout=PATIENCE_S,
    )
    case.validate_response(answer, checks=CHECKS)


def test_the_answers_are_not_all_refusals(target: Target) -> None:
    """The token is good and the rows are there: it is not 401 and 404 that conform above."""
    agent = f"agents/{target.rows['agents']}"
    rows = [f"{kind}/{target.rows[kind]}" for kind in ("memories", "sessions", "tokens", "jobs")]
    directive = [f"{agent}/directive{part}" for part in ("", "/versions/1", "/pushes/1")]
    for path in (*rows, agent, *directive):
        url = f"{target.urls['api']}/api/v1/{path}"
        answer = target.http.get(url, headers=target.headers, timeout=PATIENCE_S)
        assert answer.status_code == 200, (path, answer.text)


def test_an_agent_still_serves_after_all_that_was_asked(target: Target) -> None:
    """What stops an agent was asked of others, which it does stop."""
    url = f"{target.urls['api']}/api/v1/agents/{target.rows['agents']}"
    answer = target.http.get(url, headers=target.headers, timeout=PATIENCE_S)
    assert answer.json()["status"] == "active"
    gone = target.fresh_agent().pk
    archived = f"{target.urls['api']}/api/v1/agents/{gone}/archive"
    answer = target.http.post(archived, headers=target.headers, json={}, timeout=PATIENCE_S)
    assert answer.json()["status"] == "archived"
