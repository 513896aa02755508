"""Every failure is told in the contract's envelope, without a word of what was sent."""

import logging
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, OperationalError, connection
from django.db.models import QuerySet
from django.test import Client

from agents.api import AgentViewSet
from agents.models import Agent
from ibex.api_errors import describe
from ibex.ids import uuid7
from ibex.tenancy import current_org_id, tenant
from tests.api.conftest import AGENTS, Api, refused
from tests.conftest import World

pytestmark = pytest.mark.usefixtures("api_urls")

SECRET = "the launch code is walrus"
NEW = {"name": "Scribe", "slug": "scribe", "memory_scope": "agent"}


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Make the list of agents fail with a chosen error."""

    def _broken(error: Exception) -> None:
        def fail(*_args: Any, **_kwargs: Any) -> QuerySet[Agent]:
            raise error

        monkeypatch.setattr(AgentViewSet, "get_queryset", fail)

    return _broken


@pytest.mark.parametrize(
    "body",
    [b"{", b"", b"\xff", b'"\\ud800"', b"NaN", b"[" * 5000 + b"]" * 5000, b'{"name": 1e999}'],
    ids=["cut", "empty", "not UTF-8", "lone surrogate", "NaN", "deep", "infinite"],
)
def test_what_is_not_json_is_refused(alice: Api, body: bytes) -> None:
    answer = alice.post(AGENTS, body)
    if body == b"":  # no body is an empty object: every field is missing
        assert "name" in refused(answer, 400, "VALIDATION_ERROR")["field_errors"]
    else:
        refused(answer, 400, "INVALID_JSON")


@pytest.mark.parametrize("body", [[], "text", 5, None, True, [NEW]])
def test_a_body_that_is_no_object_is_refused(alice: Api, body: Any) -> None:
    import orjson  # noqa: PLC0415 - None means no body to the helper

    refused(alice.post(AGENTS, orjson.dumps(body)), 400, "VALIDATION_ERROR")


@pytest.mark.parametrize("text", ["a\x00b", "\x00"])
def test_nul_bytes_are_refused(alice: Api, text: str) -> None:
    error = refused(alice.post(AGENTS, {**NEW, "name": text}), 400, "VALIDATION_ERROR")
    assert error["param"] == "name"


def test_a_nul_in_a_filter_is_refused(alice: Api) -> None:
    refused(alice.get("/api/v1/memories?subject=%00"), 400, "VALIDATION_ERROR")


def test_a_broken_encoding_in_a_filter_is_never_an_error_of_ours(alice: Api) -> None:
    assert alice.get("/api/v1/memories?subject=%ED%A0%80").status_code in {200, 400}


def test_every_wrong_field_is_named(alice: Api) -> None:
    body = {"slug": "Not A Slug", "memory_scope": "world", "config": {"memory_enabled": "?"}}
    error = refused(alice.post(AGENTS, body), 400, "VALIDATION_ERROR")
    assert set(error["field_errors"]) == {"name", "slug", "memory_scope", "config.memory_enabled"}
    assert error["param"] is None


def test_one_wrong_field_is_the_errors_param(alice: Api) -> None:
    error = refused(alice.get(f"{AGENTS}?limit=0"), 400, "VALIDATION_ERROR")
    assert error["param"] == "limit"
    assert error["message"].startswith("limit: ")


def test_an_unknown_field_is_refused_not_ignored(alice: Api) -> None:
    error = refused(alice.post(AGENTS, {**NEW, "memory_scoop": 1}), 400, "VALIDATION_ERROR")
    assert error["field_errors"] == {"memory_scoop": ["Unknown field."]}
    nested = refused(
        alice.post(AGENTS, {**NEW, "config": {"extracting": True}}), 400, "VALIDATION_ERROR"
    )
    assert nested["field_errors"] == {"config.extracting": ["Unknown field."]}


def test_an_unknown_filter_is_refused_not_ignored(alice: Api) -> None:
    error = refused(alice.get(f"{AGENTS}?stauts=paused"), 400, "VALIDATION_ERROR")
    assert error["param"] == "stauts"


def test_a_flood_of_unknown_fields_is_cut(alice: Api) -> None:
    body = {f"field-{number}-{'x' * 500}": 1 for number in range(1000)}
    error = refused(alice.post(AGENTS, body), 400, "VALIDATION_ERROR")
    assert len(error["field_errors"]) <= 50
    assert all(len(name) <= 100 for name in error["field_errors"])


@pytest.mark.parametrize(
    "body",
    [
        {**NEW, "memory_scope": SECRET},
        {**NEW, "slug": SECRET},
        {**NEW, "name": SECRET * 100},
        {**NEW, "config": {"memory_position": SECRET}},
        {**NEW, "config": {"max_injected_memories": SECRET}},
        {**NEW, "config": SECRET},
    ],
)
def test_no_error_repeats_what_was_sent(alice: Api, body: dict[str, Any]) -> None:
    assert "walrus" not in str(refused(alice.post(AGENTS, body), 400, "VALIDATION_ERROR"))


def test_a_body_must_say_that_it_is_json(alice: Api) -> None:
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        answer = alice.client.post(AGENTS, b"{}", content_type=content_type, headers=alice.headers)
        refused(answer, 415, "UNSUPPORTED_MEDIA_TYPE")
    answer = alice.client.post(
        AGENTS, b"{}", content_type="application/json; charset=utf-8", headers=alice.headers
    )
    refused(answer, 400, "VALIDATION_ERROR")


def test_a_row_that_does_not_exist_is_not_found(alice: Api) -> None:
    refused(alice.get(f"{AGENTS}/{uuid7()}"), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (OperationalError(SECRET), 503, "SERVICE_DEGRADED"),
        (psycopg.OperationalError(SECRET), 503, "SERVICE_DEGRADED"),
        (DataError(SECRET), 400, "VALIDATION_ERROR"),
        (IntegrityError(SECRET), 409, "CONFLICT"),
        (ValidationError(f"%(value)s {SECRET}", params={"value": 1}), 400, "VALIDATION_ERROR"),
        (Agent.DoesNotExist(SECRET), 404, "NOT_FOUND"),
        (PermissionError(SECRET), 500, "INTERNAL_ERROR"),
        (KeyError(SECRET), 500, "INTERNAL_ERROR"),
        (UnicodeEncodeError("utf-8", SECRET, 0, 1, SECRET), 500, "INTERNAL_ERROR"),
    ],
)
def test_an_unexpected_error_keeps_its_words_to_itself(
    alice: Api,
    broken: Any,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    error: Exception,
    status: int,
    code: str,
) -> None:
    broken(error)
    with caplog.at_level(logging.DEBUG):
        told = refused(alice.get(AGENTS), status, code)
    assert "walrus" not in str(told)
    assert "walrus" not in caplog.text
    output = capfd.readouterr()
    assert "walrus" not in output.out + output.err


def test_a_service_that_is_away_says_when_to_come_back(alice: Api, broken: Any) -> None:
    broken(OperationalError())
    assert alice.get(AGENTS)["Retry-After"] == "2"


def test_an_error_undoes_what_the_request_changed(
    world: World, alice: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change_and_fail(*_args: Any, **_kwargs: Any) -> None:
        Agent.objects.update(name="Half done")
        raise KeyError

    monkeypatch.setattr("agents.services.pause_agent", change_and_fail)
    refused(alice.post(f"{AGENTS}/{world.scout.pk}/pause"), 500, "INTERNAL_ERROR")
    with tenant(world.acme):
        assert Agent.objects.get(pk=world.scout.pk).name == "Scout"


@pytest.mark.parametrize("fails", [False, True])
def test_the_tenant_is_left_whatever_happens(alice: Api, broken: Any, fails: bool) -> None:
    if fails:
        broken(KeyError())
    alice.get(AGENTS)
    assert current_org_id() is None


def test_a_rule_that_breaks_at_commit_is_told_too(
    committed_world: World, api: Any, monkeypatch: pytest.MonkeyPatch, django_db_blocker: Any
) -> None:
    """A composite key is deferred: it is checked when the transaction ends."""

    def plant(*_args: Any, **_kwargs: Any) -> Agent:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO orgs_token (id, org_id, agent_id, name, digest, prefix, permissions,"
                " allowed_ips, created_at) VALUES (%s, %s, %s, 'x', %s, 'x', 0, '{}', now())",
                [uuid7(), committed_world.acme.pk, uuid7(), uuid7().bytes * 2],
            )
        return committed_world.scout

    with django_db_blocker.unblock():
        monkeypatch.setattr("agents.services.pause_agent", plant)
        caller = api(committed_world.token())
        answer = caller.post(f"{AGENTS}/{committed_world.scout.pk}/pause")
        refused(answer, 409, "CONFLICT")


def test_a_foreign_host_is_refused_in_json(world: World) -> None:
    answer = Client(raise_request_exception=False).get(AGENTS, headers={"Host": "evil.example"})
    refused(answer, 400, "INVALID_REQUEST")


def test_the_callers_request_id_comes_back(alice: Api) -> None:
    request_id = str(uuid7())
    answer = alice.get(f"{AGENTS}/{uuid7()}", X_Request_ID=request_id)
    assert refused(answer, 404, "NOT_FOUND")["request_id"] == request_id


def test_a_models_own_error_has_its_fields_named() -> None:
    problem = describe(ValidationError({"name": ["Too dull."], "__all__": ["Not so."]}))
    assert problem.field_errors == {"name": ["Too dull."], "non_field_errors": ["Not so."]}
    assert (problem.status, problem.code, problem.param) == (400, "VALIDATION_ERROR", "name")
