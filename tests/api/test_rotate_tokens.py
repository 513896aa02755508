"""Rotating tokens through the management API."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from ibex.tenancy import tenant
from orgs.models import AuditEvent
from orgs.permissions import ALL, Permission
from orgs.services import revoke_token
from tests.api.conftest import Api, MakeApi, refused
from tests.api.rows import make_token
from tests.conftest import TESTS, World

pytestmark = pytest.mark.usefixtures("api_urls")

PATH = "/api/v1/tokens"
ROTATES = Permission.TOKEN_CREATE | Permission.TOKEN_REVOKE


def test_a_rotated_token_works_for_its_grace_and_the_new_one_from_now_on(
    world: World, alice: Api, api: MakeApi
) -> None:
    text = world.token(agent=world.scout)
    old = world.token_row(text)
    before = timezone.now()
    answer = alice.post(f"{PATH}/{old.pk}/rotate", {"grace": "1h", "reason": "A year old"})
    assert answer.status_code == 201, answer.content
    assert answer["Cache-Control"] == "no-store"
    new = answer.json()
    assert (new["replaces_id"], new["replaced_by_id"]) == (str(old.pk), None)
    assert new["agent_id"] == str(world.scout.pk)
    for works in (text, new["token"]):
        assert api(works).get(PATH).status_code == 200
    shown = alice.get(f"{PATH}/{old.pk}").json()
    assert shown["replaced_by_id"] == new["id"]
    ends = datetime.fromisoformat(shown["expires_at"]) - before
    assert timedelta(hours=1) <= ends < timedelta(hours=1, minutes=1)
    with tenant(world.acme):
        event = AuditEvent.objects.get(action="token.rotate")
    assert (event.reason, event.request_id) == ("A year old", answer["X-Request-ID"])


def test_at_once_the_old_one_is_refused(world: World, alice: Api, api: MakeApi) -> None:
    text = world.token()
    answer = alice.post(f"{PATH}/{world.token_row(text).pk}/rotate", {"grace": "now"})
    refused(api(text).get(PATH), 401, "INVALID_TOKEN")
    assert api(answer.json()["token"]).get(PATH).status_code == 200


def test_a_second_identical_request_is_refused_and_names_the_successor(
    world: World, alice: Api
) -> None:
    old = make_token(world.scout)
    new = alice.post(f"{PATH}/{old.pk}/rotate", {}).json()
    error = refused(alice.post(f"{PATH}/{old.pk}/rotate", {}), 409, "TOKEN_ROTATED")
    assert new["id"] in error["message"]
    made = [row["replaces_id"] for row in alice.get(PATH).json()["items"]]
    assert made.count(str(old.pk)) == 1


def test_what_has_ended_is_refused(world: World, alice: Api) -> None:
    old = make_token(world.scout)
    revoke_token(token=old, actor=TESTS)
    refused(alice.post(f"{PATH}/{old.pk}/rotate", {}), 409, "TOKEN_ENDED")
    expired = world.token_row(world.expired_token())
    refused(alice.post(f"{PATH}/{expired.pk}/rotate", {}), 409, "TOKEN_ENDED")


@pytest.mark.parametrize("wrong", [{"grace": "2h"}, {"grace": 1}, {"reason": 7}, {"name": "New"}])
def test_a_wrong_value_is_named(world: World, alice: Api, wrong: dict[str, Any]) -> None:
    answer = alice.post(f"{PATH}/{make_token(world.scout).pk}/rotate", wrong)
    error = refused(answer, 400, "VALIDATION_ERROR")
    assert set(error["field_errors"]) == set(wrong)


def test_nobody_rotates_what_they_do_not_hold(world: World, api: MakeApi) -> None:
    maker = api(world.token(permissions=ROTATES | Permission.MEMORY_READ))
    strong = world.token_row(world.token(permissions=ALL))
    weak = world.token_row(world.token(permissions=Permission.MEMORY_READ))
    refused(maker.post(f"{PATH}/{strong.pk}/rotate", {}), 403, "INSUFFICIENT_PERMISSIONS")
    assert maker.post(f"{PATH}/{weak.pk}/rotate", {}).status_code == 201


@pytest.mark.parametrize("lacking", [Permission.TOKEN_CREATE, Permission.TOKEN_REVOKE])
def test_it_takes_the_right_to_make_and_to_end(
    world: World, api: MakeApi, lacking: Permission
) -> None:
    address = f"{PATH}/{make_token(world.scout).pk}/rotate"
    caller = api(world.token(permissions=ALL & ~lacking))
    refused(caller.post(address, {}), 403, "INSUFFICIENT_PERMISSIONS")
    assert api(world.token()).post(address, {}).status_code == 201


def test_another_orgs_token_is_missing(world: World, alice: Api, mallory: Api) -> None:
    token = make_token(world.scout)
    refused(mallory.post(f"{PATH}/{token.pk}/rotate", {}), 404, "NOT_FOUND")
    assert alice.get(f"{PATH}/{token.pk}").json()["replaced_by_id"] is None
    assert alice.post(f"{PATH}/{token.pk}/rotate", {}).status_code == 201
