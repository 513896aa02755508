"""The OpenAPI document is valid, complete and fresh."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from openapi_spec_validator import validate

from ibex.api import OrgViewSet
from ibex.openapi import document
from orgs.management.commands import spectacular
from tests.api.test_route_matrix import ROUTES, SIGNED, Route

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def openapi() -> dict[str, Any]:
    schema, has_gaps = document()
    assert not has_gaps
    return schema


def operations(openapi: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, item in openapi["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    ]


def documented_path(path: str) -> str:
    return re.sub(r"<\w+:(\w+)>", r"{\1}", path).replace("{pk}", "{id}")


def resolve(openapi: dict[str, Any], part: dict[str, Any]) -> Any:
    while "$ref" in part:
        found: Any = openapi
        for name in part["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        part = found
    return part


def test_it_is_valid(openapi: dict[str, Any]) -> None:
    validate(openapi)
    assert openapi["openapi"].startswith("3.1")


def test_the_file_is_fresh() -> None:
    call_command("spectacular", check=True)


def test_a_stale_file_and_a_missing_one_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "openapi.json"
    monkeypatch.setattr(spectacular, "TARGET", target)
    with pytest.raises(CommandError, match="stale"):
        call_command("spectacular", check=True)
    call_command("spectacular")
    call_command("spectacular", check=True)
    target.write_text(target.read_text().replace("agents_list", "agents_enumerate"))
    with pytest.raises(CommandError, match="stale"):
        call_command("spectacular", check=True)


def test_an_action_that_nobody_documented_stops_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(ROUTES[0].view.list, "kwargs")
    with pytest.raises(CommandError, match="could not be found out"):
        call_command("spectacular", check=True)


def test_building_it_twice_makes_the_same(openapi: dict[str, Any]) -> None:
    again, _has_gaps = document()
    assert json.dumps(again, sort_keys=True) == json.dumps(openapi, sort_keys=True)


def test_every_route_is_in_it(openapi: dict[str, Any]) -> None:
    expected = {f"{route.method} {documented_path(route.path)}" for route in ROUTES}
    signed = {f"GET {re.sub('<str:signed>', '{signed}', path)}" for path in SIGNED}
    assert {name for name, _operation in operations(openapi)} == expected | signed


def test_every_operation_has_a_name_of_its_own_and_is_described(openapi: dict[str, Any]) -> None:
    found = operations(openapi)
    assert len({operation["operationId"] for _name, operation in found}) == len(found)
    for name, operation in found:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)+", operation["operationId"]), name
        assert operation["summary"], name
        assert operation["description"], name
        assert len(operation["tags"]) == 1, name


def test_every_operation_names_its_permission(openapi: dict[str, Any]) -> None:
    for route in ROUTES:
        words = operation_of(openapi, route)["description"]
        if not route.view.required[route.action]:
            assert "Needs no permission" in words, route
            continue
        name = str(route.view.required[route.action].name)
        assert "".join(part.capitalize() for part in name.split("_")) in words, route


def test_every_credential_is_described_and_any_one_is_enough(openapi: dict[str, Any]) -> None:
    schemes = openapi["components"]["securitySchemes"]
    assert set(schemes) == {"bearer", "apiKey", "operatorSession"}
    assert schemes["apiKey"]["name"] == "x-api-key"
    for route in ROUTES:
        names = [list(entry) for entry in operation_of(openapi, route)["security"]]
        tokens = [["apiKey"], ["bearer"]]
        is_own = route.role == "memory"
        assert names == (tokens if is_own else [*tokens, ["operatorSession"]]), route


def test_every_error_has_the_envelope_and_its_codes(openapi: dict[str, Any]) -> None:
    codes = (Path(__file__).parents[2] / "docs" / "REFERENCE.md").read_text()
    for name, operation in operations(openapi):
        for status, answer in operation["responses"].items():
            assert "X-Request-ID" in answer["headers"], name
            if status >= "400":
                reference = answer["content"]["application/json"]["schema"]["$ref"]
                assert reference == "#/components/schemas/Error", name
                named = re.findall(r"`(\w+)`", answer["description"])
                assert named, name
                assert [code for code in named if f"`{code}`" not in codes] == [], name


def test_each_route_documents_the_errors_that_every_caller_may_meet(
    openapi: dict[str, Any],
) -> None:
    for route in ROUTES:
        responses = operation_of(openapi, route)["responses"]
        expected = {"400", "401", "403", "500", "503"}
        expected |= {"404"} if "<" in route.path else set()
        expected |= {"413", "415"} if route.method in {"POST", "PUT", "PATCH"} else set()
        assert expected <= set(responses), route
        assert any(status < "300" for status in responses), route


def test_lists_answer_pages_and_take_limit_and_cursor(openapi: dict[str, Any]) -> None:
    for route in ROUTES:
        if route.action not in {"list", "turns"}:
            continue
        operation = operation_of(openapi, route)
        answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
        page = resolve(openapi, answer)
        assert set(page["properties"]) == {"items", "next_cursor"} == set(page["required"]), route
        assert page["properties"]["next_cursor"]["type"] == ["string", "null"]
        named = {parameter.get("name"): parameter for parameter in operation["parameters"]}
        limit = named["limit"]["schema"]
        assert (limit["minimum"], limit["maximum"], limit["default"]) == (1, 100, 20)
        assert named["limit"]["description"]
        assert named["cursor"]["description"]


def test_the_memory_api_takes_its_agent_and_subject_from_headers(openapi: dict[str, Any]) -> None:
    for route in ROUTES:
        found = [
            resolve(openapi, parameter)["name"]
            for parameter in operation_of(openapi, route).get("parameters", [])
        ]
        own = {"X-IBEX-Agent-ID", "X-IBEX-Subject-ID"}
        assert own & set(found) == (own if route.role == "memory" else set()), route


def test_what_changes_something_shows_what_it_takes(openapi: dict[str, Any]) -> None:
    for route in ROUTES:
        takes = route.method in {"POST", "PUT", "PATCH"} and route.action not in {
            "terminate",
            "archive_url",
            "retry_push",
        }
        assert ("requestBody" in operation_of(openapi, route)) == takes, route
    text = json.dumps(openapi)
    for example in ("A support agent", "A preference of one end user", "What became of it"):
        assert example in text


def test_a_list_answers_what_is_documented(
    openapi: dict[str, Any], alice: Any, api_urls: None, world: Any
) -> None:
    (agent,) = alice.get("/api/v1/agents").json()["items"]
    schema = openapi["components"]["schemas"]["Agent"]
    assert set(agent) == set(schema["properties"]) == set(schema["required"])


def operation_of(openapi: dict[str, Any], route: Route) -> dict[str, Any]:
    assert issubclass(route.view, OrgViewSet)
    operation: dict[str, Any] = openapi["paths"][documented_path(route.path)][route.method.lower()]
    return operation
