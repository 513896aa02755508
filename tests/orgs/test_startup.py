"""A process that could see every tenant, or runs on development leftovers, does not start."""

import os
import subprocess
import sys

import pytest

from ibex.startup import UnsafeStart, refuse_unsafe_start
from ibex.tenancy import tenant
from orgs.credentials import DEVELOPMENT_TOKEN
from orgs.models import Token
from orgs.permissions import CHAT
from tests.conftest import ROOT, World, with_database


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("IBEX_ENV", "production")
    return monkeypatch


def test_the_runtime_role_may_start(database_url: str) -> None:
    refuse_unsafe_start(database_url)


def test_the_owner_of_the_tables_may_not(owner_url: str, database_name: str) -> None:
    with pytest.raises(UnsafeStart, match="ibex_app"):
        refuse_unsafe_start(with_database(owner_url, database_name))


@pytest.mark.parametrize("module", ["proxy", "context", "ibex.worker"])
def test_every_process_refuses_the_owners_role(
    module: str, owner_url: str, database_name: str
) -> None:
    environment = os.environ | {"IBEX_DATABASE_URL": with_database(owner_url, database_name)}
    ended = subprocess.run(
        [sys.executable, "-m", module],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode != 0
    assert "bypasses row-level security" in ended.stderr + ended.stdout


def test_a_missing_variable_is_named() -> None:
    environment = {k: v for k, v in os.environ.items() if k != "IBEX_TOKEN_KEY"}
    ended = subprocess.run(
        [sys.executable, "-m", "ibex.serve", "api"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode != 0
    assert "IBEX_TOKEN_KEY" in ended.stderr


def test_production_starts_with_real_secrets(
    production: pytest.MonkeyPatch, database_url: str
) -> None:
    refuse_unsafe_start(database_url)


@pytest.mark.parametrize("name", ["IBEX_SECRET_KEY", "IBEX_TOKEN_KEY", "IBEX_SERVICE_TOKEN"])
def test_production_refuses_a_short_secret(
    production: pytest.MonkeyPatch, database_url: str, name: str
) -> None:
    production.setenv(name, "changeme")
    with pytest.raises(UnsafeStart, match=name):
        refuse_unsafe_start(database_url)


def test_production_refuses_the_local_provider(
    production: pytest.MonkeyPatch, database_url: str
) -> None:
    production.setenv("IBEX_LLM_MODE", "local")
    with pytest.raises(UnsafeStart, match="IBEX_LLM_MODE"):
        refuse_unsafe_start(database_url)


def test_production_refuses_a_database_with_the_development_token(
    committed_world: World, production: pytest.MonkeyPatch, database_url: str
) -> None:
    refuse_unsafe_start(database_url)
    committed_world.token(permissions=CHAT, text=DEVELOPMENT_TOKEN)
    try:
        with pytest.raises(UnsafeStart, match="development token"):
            refuse_unsafe_start(database_url)
        production.setenv("IBEX_ENV", "development")
        refuse_unsafe_start(database_url)
    finally:
        with tenant(committed_world.acme):
            Token.objects.all().delete()
