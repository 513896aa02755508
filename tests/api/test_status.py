"""The status through the management API."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents.services import create_agent
from orgs.permissions import ALL, Permission
from tests.api.conftest import Api, MakeApi, refused
from tests.api.rows import make_job
from tests.conftest import TESTS, World
from tests.processes import free_port

pytestmark = pytest.mark.usefixtures("api_urls")

PATH = "/api/v1/status"


@pytest.fixture(autouse=True)
def nobody_answers(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    for name in ("IBEX_CONTEXT_HEALTH_URL", "IBEX_MEMORY_URL", "IBEX_WORKER_HEALTH_URL"):
        monkeypatch.setenv(name, nowhere)
    settings.EMBEDDER_URL = nowhere


def waiting(answer: Any) -> dict[str, int]:
    assert answer.status_code == 200, answer.content
    return {row["work"]: row["count"] for row in answer.json()["waiting"]}


def test_it_says_what_answers_what_waits_and_what_runs(alice: Api) -> None:
    said = alice.get(PATH).json()
    assert set(said) == {"read_at", "health", "checks", "proxies", "waiting", "versions"}
    checks = {check["name"]: check["status"] for check in said["checks"]}
    assert checks["postgres"] == checks["redis"] == "ok"
    assert checks["embedder"].startswith("failed: ")
    assert said["health"] == "degraded"
    assert {"IBEX", "Django", "Postgres", "Python"} <= set(said["versions"])


def test_work_of_others_is_not_counted(world: World, alice: Api, mallory: Api) -> None:
    make_job(world.scout, run_after=timezone.now() - timedelta(minutes=1))
    assert waiting(alice.get(PATH))["job"] == 1
    assert waiting(mallory.get(PATH))["job"] == 0


def test_a_token_of_one_agent_learns_what_waits_of_it_alone(world: World, api: MakeApi) -> None:
    other = create_agent(
        org=world.acme, name="Other", slug="other", memory_scope="agent", actor=TESTS
    )
    for agent in (world.scout, other, other):
        make_job(agent, run_after=timezone.now() - timedelta(minutes=1))
    assert waiting(api(world.token(agent=world.scout)).get(PATH))["job"] == 1
    assert waiting(api(world.token(agent=other)).get(PATH))["job"] == 2
    assert waiting(api(world.token()).get(PATH))["job"] == 3


def test_it_takes_the_permission_to_read_analytics(world: World, api: MakeApi) -> None:
    assert api(world.token(permissions=Permission.ANALYTICS_READ)).get(PATH).status_code == 200
    without = api(world.token(permissions=ALL & ~Permission.ANALYTICS_READ))
    refused(without.get(PATH), 403, "INSUFFICIENT_PERMISSIONS")
