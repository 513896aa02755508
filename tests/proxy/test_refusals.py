"""Who may not ask is told so, in one shape, and learns nothing else."""

import http.client
import json
import time

import pytest

from agents.services import archive_agent, create_agent, pause_agent
from ibex.ids import uuid7
from ibex.tenancy import tenant
from orgs.credentials import new_token
from orgs.models import Organization
from orgs.permissions import ALL, CHAT, Permission
from orgs.services import revoke_token
from tests.conftest import TESTS
from tests.proxy.conftest import Talker, say
from tests.proxy.provider import ProviderPeer

CHAT_BODY = json.dumps({"model": "m", "messages": say("Hi")}).encode()
Answer = tuple[int, str, dict[str, str]]


def ask(
    talker: Talker,
    *,
    method: str = "POST",
    path: str = "/v1/chat/completions",
    body: bytes = CHAT_BODY,
    token: str | None = "default",
    agent: object = "default",
    content_type: str = "application/json",
    **headers: str,
) -> Answer:
    """Send one request; return status, error code and headers."""
    sent = {"Content-Type": content_type, **headers}
    if token:
        sent["Authorization"] = f"Bearer {talker.token if token == 'default' else token}"
    if agent:
        sent["X-IBEX-Agent-ID"] = str(talker.world.scout.pk if agent == "default" else agent)
    connection = http.client.HTTPConnection("127.0.0.1", talker.proxy.port, timeout=30)
    connection.request(method, path, body, sent)
    response = connection.getresponse()
    content = response.read()
    got = {k.lower(): v for k, v in response.getheaders()}
    connection.close()
    assert got["x-request-id"]
    if response.status == 200:
        return 200, "", got
    error = json.loads(content)["error"]
    assert error["request_id"] == got["x-request-id"]
    assert set(error) >= {"message", "type", "param", "code", "timestamp"}
    return response.status, error["code"], got


def test_the_cast_is_otherwise_welcome(talker: Talker) -> None:
    assert ask(talker)[0] == 200


def test_a_token_is_required(talker: Talker) -> None:
    assert ask(talker, token=None)[:2] == (401, "MISSING_TOKEN")
    assert ask(talker, token=None, **{"x-api-key": talker.token})[0] == 200


def test_every_bad_token_is_refused_in_the_same_words(talker: Talker) -> None:
    world = talker.world
    expired = world.expired_token()
    revoked = world.token()
    assert ask(talker, token=revoked)[0] == 200
    revoke_token(token=world.token_row(revoked), actor=TESTS)
    for token in ("nonsense", new_token(uuid7()), expired, revoked, "ibex_dev_sk_X"):
        status, code, headers = ask(talker, token=token)
        assert (status, code, headers["x-should-retry"]) == (401, "INVALID_TOKEN", "false")


def test_an_agent_must_be_named_unless_the_token_belongs_to_one(talker: Talker) -> None:
    assert ask(talker, agent=None)[:2] == (400, "MISSING_AGENT_ID")
    bound = talker.world.token(agent=talker.world.scout)
    assert ask(talker, token=bound, agent=None)[0] == 200


def test_foreign_absent_and_malformed_agents_look_the_same(talker: Talker) -> None:
    world = talker.world
    other = create_agent(org=world.acme, name="O", slug="other", memory_scope="agent", actor=TESTS)
    bound = world.token(agent=world.scout)
    for token, agent in (
        (talker.token, world.spy.pk),
        (talker.token, uuid7()),
        (talker.token, "not-a-uuid"),
        (bound, other.pk),
    ):
        assert ask(talker, token=token, agent=agent)[:2] == (403, "AGENT_NOT_AUTHORIZED")
    assert ask(talker, agent=other.pk)[0] == 200


def test_mallory_cannot_talk_as_acmes_agent(talker: Talker) -> None:
    mallory = talker.world.token(talker.world.elsewhere)
    assert ask(talker, token=mallory)[:2] == (403, "AGENT_NOT_AUTHORIZED")
    assert ask(talker, token=mallory, agent=talker.world.spy.pk)[0] == 200
    path = "/v1/sessions/s/terminate"
    ask(talker, **{"X-IBEX-Session-ID": "s"})
    assert ask(talker, token=mallory, path=path)[:2] == (403, "AGENT_NOT_AUTHORIZED")
    assert ask(talker, token=mallory, path=path, agent=talker.world.spy.pk)[:2] == (
        404,
        "SESSION_NOT_FOUND",
    )
    assert [s["status"] for s in talker.sessions()] == ["active"]


@pytest.mark.parametrize(
    "missing", [Permission.MEMORY_READ, Permission.SESSION_CREATE, Permission.SESSION_READ]
)
def test_chat_needs_its_three_permissions(talker: Talker, missing: Permission) -> None:
    assert ask(talker, token=talker.world.token(permissions=CHAT))[0] == 200
    lacking = talker.world.token(permissions=ALL & ~missing)
    assert ask(talker, token=lacking)[:2] == (403, "INSUFFICIENT_PERMISSIONS")


def test_ending_a_session_needs_its_own_permission(talker: Talker) -> None:
    chatting = talker.world.token(permissions=CHAT)
    ended = ask(talker, token=chatting, **{"X-IBEX-Session-End": "1"})
    assert ended[:2] == (403, "INSUFFICIENT_PERMISSIONS")
    path = "/v1/sessions/s/terminate"
    assert ask(talker, token=chatting, path=path)[:2] == (403, "INSUFFICIENT_PERMISSIONS")


def test_paused_and_archived_agents_are_not_served(talker: Talker) -> None:
    pause_agent(agent=talker.world.scout, actor=TESTS)
    assert ask(talker)[:2] == (403, "AGENT_SUSPENDED")
    archive_agent(agent=talker.world.scout, actor=TESTS)
    assert ask(talker)[:2] == (403, "AGENT_SUSPENDED")


def test_a_suspended_org_is_not_served(talker: Talker) -> None:
    acme = talker.world.acme
    with tenant(acme):
        Organization.objects.filter(pk=acme.pk).update(status="suspended")
    assert ask(talker)[:2] == (403, "ORG_SUSPENDED")


def test_a_token_for_certain_addresses_works_only_from_them(talker: Talker) -> None:
    here = talker.world.token(allowed_ips=["127.0.0.0/8"])
    assert ask(talker, token=here)[0] == 200
    there = talker.world.token(allowed_ips=["203.0.113.7"])
    assert ask(talker, token=there)[:2] == (403, "IP_NOT_ALLOWED")
    claimed = {"X-Forwarded-For": "203.0.113.7"}
    assert ask(talker, token=there, **claimed)[:2] == (403, "IP_NOT_ALLOWED")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "INVALID_JSON"),
        (b'{"messages": [{"role": "user", "content": "\\ud800"}]}', "INVALID_JSON"),
        (b"[]", "VALIDATION_ERROR"),
        (b'{"model": "m"}', "VALIDATION_ERROR"),
        (b'{"model": "m", "messages": []}', "VALIDATION_ERROR"),
        (b'{"model": "m", "messages": ["x"]}', "VALIDATION_ERROR"),
        (b'{"model": 7, "messages": [{"role": "user"}]}', "VALIDATION_ERROR"),
        (b'{"model": "m", "stream": "yes", "messages": [{"role": "user"}]}', "VALIDATION_ERROR"),
        (json.dumps({"model": "m" * 257, "messages": say("x")}).encode(), "VALIDATION_ERROR"),
        (json.dumps({"model": "m", "messages": say("x") * 2001}).encode(), "VALIDATION_ERROR"),
        (
            json.dumps({"model": "m", "user": "u" * 129, "messages": say("x")}).encode(),
            "VALIDATION_ERROR",
        ),
    ],
)
def test_a_malformed_body_is_refused_and_forwarded_nowhere(
    talker: Talker, provider: ProviderPeer, body: bytes, code: str
) -> None:
    assert ask(talker, body=body)[:2] == (400, code)
    assert ask(talker, body=body, token="bad")[:2] == (401, "INVALID_TOKEN")
    assert provider.behaviour.seen == []


def test_sizes_types_methods_and_paths_have_limits(talker: Talker) -> None:
    assert ask(talker, body=b"x" * (4 * 1024 * 1024 + 1))[:2] == (413, "PAYLOAD_TOO_LARGE")
    assert ask(talker, content_type="text/plain")[:2] == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert ask(talker, method="GET")[:2] == (405, "METHOD_NOT_ALLOWED")
    for path in ("/v1/chat/completions/", "/v1//chat/completions", "/v1/nothing", "/api/v1/agents"):
        assert ask(talker, path=path)[:2] == (404, "ROUTE_NOT_FOUND")
    assert ask(talker, **{"X-IBEX-Session-ID": "s" * 65})[:2] == (400, "VALIDATION_ERROR")
    assert ask(talker, **{"X-Filler": "x" * 70_000})[0] in {400, 431}


def test_the_minute_has_a_limit(talker: Talker) -> None:
    acme = talker.world.acme
    with tenant(acme):
        Organization.objects.filter(pk=acme.pk).update(rpm=3)
    if time.time() % 60 > 55:  # the window must not turn between the first and the last request
        time.sleep(60 - time.time() % 60)
    answers = [ask(talker) for _ in range(6)]
    statuses = [status for status, _code, _headers in answers]
    assert statuses == [200] * 3 + [429] * 3
    _status, code, headers = answers[-1]
    assert (code, headers["x-ratelimit-remaining"]) == ("RATE_LIMITED", "0")
    assert 1 <= int(headers["retry-after"]) <= 60


def test_a_request_id_of_the_caller_is_kept_when_it_is_a_uuid(talker: Talker) -> None:
    mine = str(uuid7())
    assert ask(talker, **{"X-Request-ID": mine})[2]["x-request-id"] == mine
    assert ask(talker, **{"X-Request-ID": "1; drop"})[2]["x-request-id"] != "1; drop"
