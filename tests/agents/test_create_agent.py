"""A slug belongs to one agent of an organization, however many ask for it at once."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, connections

from agents.models import Agent
from agents.services import create_agent
from ibex.tenancy import tenant
from orgs.models import Organization
from tests.conftest import TESTS, World


def create_twin(org: Organization) -> Agent:
    return create_agent(org=org, name="Twin", slug="twin", memory_scope="agent", actor=TESTS)


def create_elsewhere(org: Organization) -> Agent:
    try:
        return create_twin(org)
    finally:
        connections.close_all()


def wait_until_blocked() -> None:
    """Wait until somebody waits for this transaction."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
        time.sleep(0.02)
    pytest.fail("Nobody waited for the slug.")


def test_who_loses_the_race_for_a_slug_is_told_that_it_is_taken(committed_world: World) -> None:
    acme = committed_world.acme
    with ThreadPoolExecutor(1) as pool:
        with tenant(acme):
            create_twin(acme)
            later = pool.submit(create_elsewhere, acme)
            wait_until_blocked()
        with pytest.raises(ValidationError, match="Another agent of this organization has this"):
            later.result(timeout=10)
    with tenant(acme):
        assert Agent.objects.filter(slug="twin").count() == 1


def test_another_organization_may_use_the_slug(world: World) -> None:
    assert {create_twin(world.acme).slug, create_twin(world.elsewhere).slug} == {"twin"}
