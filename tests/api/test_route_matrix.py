"""Every route of both API roles, found by walking the resolver: none is forgotten."""

import inspect
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import orjson
import pytest
from django.test import Client

from agents.models import Agent
from agents.services import create_agent
from directives.services import push_directive
from ibex.api import OrgViewSet
from ibex.ids import uuid7
from ibex.tenancy import tenant
from orgs.authentication import OperatorAuthentication
from orgs.permissions import ALL, VIEWER, Permission
from orgs.services import revoke_token
from tests.api.conftest import MakeApi, refused
from tests.api.rows import (
    make_dead_letter,
    make_invitation,
    make_job,
    make_member,
    make_memory,
    make_session,
    make_token,
)
from tests.conftest import ROOT, TESTS, SignIn, World
from tests.urlconfs import routes_of

ROLES = ("memory", "api")
SIGNED = {"/api/v1/archives/<str:signed>"}
"""Paths whose address is the credential, so no viewset of ours answers them."""
OPEN = {"/api/docs/", "/api/openapi.json"}
"""Paths that anybody may read: they describe the API and hold no data."""


class Route(NamedTuple):
    """One method of one path, and what answers it."""

    role: str
    method: str
    path: str
    view: type[OrgViewSet[Any]]
    action: str


def routes() -> list[Route]:
    found = []
    for role in ROLES:
        for path, pattern in routes_of(role):
            if path in SIGNED | OPEN:
                continue
            for method, action in pattern.callback.actions.items():
                if method != "head":
                    found.append(Route(role, method.upper(), path, pattern.callback.cls, action))
    return found


WHOLE_ORG = ("/api/v1/members", "/api/v1/invitations")
"""What does not exist for a token of one agent."""
ROUTES = routes()
TWIN = str(uuid7())
"""An agent of the organization that a path leads to; for a token of one agent there is none."""
SAMPLE: dict[str, Any] = {
    "search": {"query": "ships", "mode": "keyword"},
    "feedback": {"rating": "positive"},
    "partial_update": {},
    "DirectiveViewSet.partial_update": {"injection_mode": "system_append", "reason": "Why not"},
    "DirectiveDraftViewSet.update": {"content": "Be kind.", "base_version": 1},
    "push": {"content": "Be kind.", "base_version": 1, "reason": "Why not"},
    "copy": {"to_agent_id": TWIN},
    "rollback": {"version": 1, "base_version": 1, "reason": "Why not"},
    "review": {"decision": "keep"},
}
"""Bodies that routes with a row need to get as far as the row, by action."""
NAMES = [f"{route.method} {route.path}" for route in ROUTES]


def sample(route: Route) -> Any:
    """Return a body that the route takes; None where it takes none."""
    return SAMPLE.get(f"{route.view.__name__}.{route.action}", SAMPLE.get(route.action))


def address(route: Route, **ids: Any) -> str:
    """Fill the ids of a path; unnamed ones are nobody's."""
    path = route.path
    for name in ("agent_id", "pk"):
        path = path.replace(f"<uuid:{name}>", str(ids.get(name, uuid7())))
    path = path.replace("<int:number>", "1")
    assert "<" not in path
    return path


def served(role: str, settings: Any) -> list[Route]:
    """Serve a role; return its routes."""
    settings.ROOT_URLCONF = f"ibex.urls.{role}"
    return [route for route in ROUTES if route.role == role]


by_role = pytest.mark.parametrize("role", ROLES)


def test_the_routes_are_these() -> None:
    """Adding a route means adding it here, and to the contract's list."""
    assert sorted(NAMES) == [
        "DELETE /api/v1/agents/<uuid:agent_id>/directive/draft",
        "DELETE /api/v1/members/<uuid:pk>",
        "DELETE /api/v1/memories/<uuid:pk>",
        "DELETE /v1/memories/<uuid:pk>",
        "GET /api/v1/agents",
        "GET /api/v1/agents/<uuid:agent_id>/directive",
        "GET /api/v1/agents/<uuid:agent_id>/directive/diff",
        "GET /api/v1/agents/<uuid:agent_id>/directive/draft",
        "GET /api/v1/agents/<uuid:agent_id>/directive/pushes/<int:number>",
        "GET /api/v1/agents/<uuid:agent_id>/directive/versions",
        "GET /api/v1/agents/<uuid:agent_id>/directive/versions/<int:number>",
        "GET /api/v1/agents/<uuid:agent_id>/memories",
        "GET /api/v1/agents/<uuid:pk>",
        "GET /api/v1/agents/<uuid:pk>/stats",
        "GET /api/v1/audit",
        "GET /api/v1/dead-letters",
        "GET /api/v1/invitations",
        "GET /api/v1/jobs",
        "GET /api/v1/jobs/<uuid:pk>",
        "GET /api/v1/jobs/<uuid:pk>/events",
        "GET /api/v1/members",
        "GET /api/v1/members/<uuid:pk>",
        "GET /api/v1/memories",
        "GET /api/v1/memories/<uuid:pk>",
        "GET /api/v1/memories/<uuid:pk>/related",
        "GET /api/v1/memories/<uuid:pk>/versions",
        "GET /api/v1/organization",
        "GET /api/v1/sessions",
        "GET /api/v1/sessions/<uuid:pk>",
        "GET /api/v1/sessions/<uuid:pk>/turns",
        "GET /api/v1/status",
        "GET /api/v1/tokens",
        "GET /api/v1/tokens/<uuid:pk>",
        "GET /v1/memories",
        "GET /v1/memories/<uuid:pk>",
        "PATCH /api/v1/agents/<uuid:agent_id>/directive",
        "PATCH /api/v1/agents/<uuid:pk>",
        "PATCH /api/v1/members/<uuid:pk>",
        "PATCH /api/v1/memories/<uuid:pk>",
        "PATCH /api/v1/organization",
        "PATCH /v1/memories/<uuid:pk>",
        "POST /api/v1/agents",
        "POST /api/v1/agents/<uuid:agent_id>/directive/push",
        "POST /api/v1/agents/<uuid:agent_id>/directive/pushes/<int:number>/retry",
        "POST /api/v1/agents/<uuid:agent_id>/directive/rollback",
        "POST /api/v1/agents/<uuid:agent_id>/directive/versions/<int:number>/copy",
        "POST /api/v1/agents/<uuid:agent_id>/memories/search",
        "POST /api/v1/agents/<uuid:pk>/activate",
        "POST /api/v1/agents/<uuid:pk>/archive",
        "POST /api/v1/agents/<uuid:pk>/pause",
        "POST /api/v1/dead-letters/<uuid:pk>/retry",
        "POST /api/v1/dead-letters/retry",
        "POST /api/v1/invitations",
        "POST /api/v1/invitations/<uuid:pk>/resend",
        "POST /api/v1/invitations/<uuid:pk>/withdraw",
        "POST /api/v1/jobs/<uuid:pk>/cancel",
        "POST /api/v1/jobs/<uuid:pk>/retry",
        "POST /api/v1/members/<uuid:pk>/sign-out",
        "POST /api/v1/members/<uuid:pk>/suspend",
        "POST /api/v1/members/<uuid:pk>/unsuspend",
        "POST /api/v1/memories",
        "POST /api/v1/memories/<uuid:pk>/archive",
        "POST /api/v1/memories/<uuid:pk>/feedback",
        "POST /api/v1/memories/<uuid:pk>/quarantine",
        "POST /api/v1/memories/<uuid:pk>/restore",
        "POST /api/v1/memories/<uuid:pk>/review",
        "POST /api/v1/memories/bulk",
        "POST /api/v1/memories/search",
        "POST /api/v1/sessions/<uuid:pk>/archive-url",
        "POST /api/v1/sessions/<uuid:pk>/terminate",
        "POST /api/v1/tokens",
        "POST /api/v1/tokens/<uuid:pk>/revoke",
        "POST /api/v1/tokens/<uuid:pk>/rotate",
        "POST /v1/memories",
        "POST /v1/memories/<uuid:pk>/feedback",
        "POST /v1/memories/search",
        "PUT /api/v1/agents/<uuid:agent_id>/directive/draft",
    ]


def test_every_route_is_a_viewset_that_declares_its_permission() -> None:
    for route in ROUTES:
        assert issubclass(route.view, OrgViewSet), route
        assert isinstance(route.view.required[route.action], Permission), route
        assert inspect.getdoc(getattr(route.view, route.action)), route


def test_no_viewset_declares_a_permission_for_an_action_without_a_route() -> None:
    for view in {route.view for route in ROUTES}:
        assert set(view.required) == {route.action for route in ROUTES if route.view is view}


@by_role
def test_nobody_gets_in_without_a_token(
    role: str, settings: Any, world: World, api: MakeApi
) -> None:
    for route in served(role, settings):
        refused(api().call(route.method, address(route), {}), 401, "MISSING_TOKEN")


@by_role
def test_nobody_gets_in_with_a_bad_token(
    role: str, settings: Any, world: World, api: MakeApi
) -> None:
    revoked = world.token()
    revoke_token(token=world.token_row(revoked), actor=TESTS)
    for route in served(role, settings):
        for token in ("nonsense", revoked):
            refused(api(token).call(route.method, address(route), {}), 401, "INVALID_TOKEN")


@by_role
def test_a_token_without_the_permission_is_refused(
    role: str, settings: Any, world: World, api: MakeApi
) -> None:
    for route in served(role, settings):
        if not route.view.required[route.action]:
            continue  # everybody's own: the queryset decides
        everything_else = ALL & ~route.view.required[route.action]
        caller = api(world.token(permissions=everything_else, agent=world.scout))
        refused(caller.call(route.method, address(route), {}), 403, "INSUFFICIENT_PERMISSIONS")


@by_role
def test_a_permission_alone_is_enough(role: str, settings: Any, world: World, api: MakeApi) -> None:
    for route in served(role, settings):
        caller = api(world.token(permissions=route.view.required[route.action], agent=world.scout))
        answer = caller.call(route.method, address(route), {})
        assert answer.status_code in {200, 400, 403, 404}, route
        assert b"INSUFFICIENT_PERMISSIONS" not in answer.content, route


@by_role
def test_a_viewer_may_only_read(role: str, settings: Any, world: World) -> None:
    client = Client()
    client.force_login(world.member("viewer"))
    for route in served(role, settings):
        answer = browse(client, route)
        if OperatorAuthentication not in route.view.authentication_classes:
            refused(answer, 401, "MISSING_TOKEN")
        elif route.view.required[route.action] & ~VIEWER:
            refused(answer, 403, "INSUFFICIENT_PERMISSIONS")
        else:
            assert answer.status_code in {200, 400, 404}, route


@by_role
def test_a_change_by_a_browser_needs_its_csrf_token(role: str, settings: Any, world: World) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.alice)
    for route in served(role, settings):
        answer = browse(client, route)
        if OperatorAuthentication not in route.view.authentication_classes:
            refused(answer, 401, "MISSING_TOKEN")
        elif route.method == "GET":
            assert answer.status_code in {200, 404}, route
        else:
            refused(answer, 403, "CSRF_FAILED")


@by_role
def test_a_method_that_a_route_lacks_is_named(
    role: str, settings: Any, world: World, api: MakeApi
) -> None:
    caller = api(world.token(agent=world.scout))
    for route in served(role, settings):
        taken = {other.method for other in ROUTES if other.path == route.path}
        for method in sorted({"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - taken):
            answer = caller.call(method, address(route))
            refused(answer, 405, "METHOD_NOT_ALLOWED")
            assert taken <= {name.strip() for name in answer["Allow"].split(",")}, route


@by_role
def test_head_answers_as_get_without_a_body(
    role: str, settings: Any, world: World, api: MakeApi
) -> None:
    caller = api(world.token(agent=world.scout))
    for route in served(role, settings):
        if route.method == "GET" and "<uuid" not in route.path:
            answer = caller.call("HEAD", route.path)
            assert (answer.status_code, answer.content) == (200, b""), route


@by_role
def test_answers_are_json_and_never_cached(
    role: str, settings: Any, world: World, api: MakeApi
) -> None:
    caller = api(world.token(agent=world.scout))
    for route in served(role, settings):
        answer = caller.call(route.method, address(route), {}, Accept="text/html")
        assert answer["Cache-Control"] == "no-store", route
        assert answer["Content-Type"] == "application/json", route


@by_role
def test_a_body_over_4_mib_is_refused(role: str, settings: Any, world: World, api: MakeApi) -> None:
    caller = api(world.token(agent=world.scout))
    too_large = b'{"query": "' + b"x" * (5 * 1024 * 1024) + b'"}'
    for route in served(role, settings):
        if route.method in {"POST", "PUT", "PATCH"}:
            answer = caller.call(route.method, address(route), too_large)
            refused(answer, 413, "PAYLOAD_TOO_LARGE")


@by_role
def test_another_orgs_rows_look_missing(
    role: str, settings: Any, world: World, api: MakeApi
) -> None:
    """Mallory holds every permission in her org, and knows all of Acme's ids."""
    mallory = api(world.token(world.elsewhere, agent=world.spy))
    alice, whole = api(world.token(agent=world.scout)), api(world.token())
    for route in served(role, settings):
        if "<uuid" in route.path:
            path = path_to_a_row_of(world.scout, route)
            refused(mallory.call(route.method, path, sample(route)), 404, "NOT_FOUND")
            beyond = route.path.startswith(WHOLE_ORG) or route.action == "copy"
            caller = whole if beyond else alice
            mine = caller.call(route.method, path, sample(route))
            assert mine.status_code in {200, 201, 204, 409}, (route, mine.content)


@by_role
def test_another_orgs_rows_look_missing_to_a_signed_in_operator(
    role: str, settings: Any, world: World, sign_in: SignIn
) -> None:
    """Mallory has no token but a browser's session, and all of Acme's ids."""
    mallory, alice = sign_in(world.mallory), sign_in(world.alice)
    for route in served(role, settings):
        if "<uuid" in route.path:
            path = path_to_a_row_of(world.scout, route)
            hers = browse(mallory, route, path)
            if OperatorAuthentication not in route.view.authentication_classes:
                refused(hers, 401, "MISSING_TOKEN")
                continue
            refused(hers, 404, "NOT_FOUND")
            mine = browse(alice, route, path)
            assert mine.status_code in {200, 201, 204, 409}, (route, mine.content)


@by_role
def test_lists_hold_nothing_of_another_org_whatever_is_asked(
    role: str, settings: Any, world: World, sign_in: SignIn
) -> None:
    """Each list is asked as it is, and with each of Acme's ids in each filter that takes one."""
    mallory, alice = sign_in(world.mallory), sign_in(world.alice)
    secrets = make_one_of_each(world.scout)
    seen: set[str] = set()
    for route in served(role, settings):
        listed = route.method == "GET" and "<" not in route.path
        if not listed or OperatorAuthentication not in route.view.authentication_classes:
            continue
        asked = [f"{name}={pk}" for name in FILTERS for pk in secrets.values()]
        for query in ["", *asked]:
            hers = mallory.get(f"{route.path}?{query}")
            assert hers.status_code in {200, 400}, (route.path, query)
            told = hers.content.decode().replace(query.partition("=")[2] or "-", "…")
            for secret in [*secrets.values(), world.alice.email]:
                assert secret not in told, (route.path, query)
        mine = alice.get(route.path).content.decode()
        seen |= {kind for kind, pk in secrets.items() if pk in mine}
    assert seen == (set(secrets) if role == "api" else set())  # Alice finds them all


FILTERS = ("agent", "session", "target_id", "actor_id", "request_id", "q", "external_id", "source")
"""Filters of lists that take an id."""


def make_one_of_each(agent: Agent) -> dict[str, str]:
    """Make a row of each kind that a list shows; return their ids."""
    session = make_session(agent)
    return {
        "agent": str(agent.pk),
        "memory": str(make_memory(agent).pk),
        "session": str(session.pk),
        "dead letter": str(make_dead_letter(session).pk),
        "job": str(make_job(agent).pk),
        "member": str(make_member(agent).pk),
        "invitation": str(make_invitation(agent).pk),
        "token": str(make_token(agent).pk),
        "organization": str(agent.org_id),
    }


MANY: dict[str, Callable[[Agent], tuple[Any, dict[str, Any]]]] = {
    "POST /api/v1/memories/bulk": lambda agent: (make_memory(agent), {"action": "archive"}),
    "POST /api/v1/dead-letters/retry": lambda agent: (make_dead_letter(make_session(agent)), {}),
}
"""Routes that act on the rows whose ids their body names, with a row and the rest of the body."""


def test_every_route_that_takes_ids_in_its_body_is_tried_with_anothers() -> None:
    document = json.loads((ROOT / "docs/api/openapi.json").read_text())
    found = set()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            (schema,) = [
                content["schema"]
                for content in operation.get("requestBody", {"content": {"": {"schema": {}}}})[
                    "content"
                ].values()
            ][:1]
            name = schema.get("$ref", "").rpartition("/")[2]
            fields = document["components"]["schemas"].get(name, {}).get("properties", {})
            found |= {f"{method.upper()} {path}"} if "ids" in fields else set()
    assert found == set(MANY)


@pytest.mark.parametrize("name", MANY)
def test_another_orgs_ids_in_a_body_touch_and_tell_nothing(
    world: World, sign_in: SignIn, api: MakeApi, api_urls: None, name: str
) -> None:
    row, body = MANY[name](world.scout)
    path = name.split()[1]
    whole, alice = api(world.token(world.elsewhere)), sign_in(world.alice)

    def state() -> Any:
        with tenant(world.acme):
            return type(row).objects.filter(pk=row.pk).values().get()

    before, told = state(), []
    for pk in (row.pk, uuid7()):  # a row of Acme's, and one that never was
        sent = {**body, "ids": [str(pk)]}
        hers = sign_in(world.mallory).post(path, sent, content_type="application/json")
        for answer in (hers, whole.post(path, sent)):
            error = refused(answer, 409, "SELECTION_CHANGED")
            told.append(error["message"])
    assert len(set(told)) == 1
    assert state() == before
    sent = {**body, "ids": [str(row.pk)]}
    mine = alice.post(path, sent, content_type="application/json")
    assert (mine.status_code, mine.json().get("done")) == (200, 1), mine.content


@by_role
def test_a_token_of_another_agent_sees_nothing_either(
    role: str, settings: Any, world: World, api: MakeApi
) -> None:
    other = create_agent(
        org=world.acme, name="Other", slug="other", memory_scope="agent", actor=TESTS
    )
    bound = api(world.token(agent=other))
    for route in served(role, settings):
        if "<uuid" in route.path:
            path = path_to_a_row_of(world.scout, route)
            refused(bound.call(route.method, path, sample(route)), 404, "NOT_FOUND")


@by_role
def test_an_unknown_path_is_told_in_the_envelope(
    role: str, world: World, api: MakeApi, settings: Any
) -> None:
    settings.ROOT_URLCONF = f"ibex.urls.{role}"
    caller = api(world.token())
    for path in ("/", "/v1", "/v1/memories/", "/api/v1/agents/", "/api/v1/agents/nonsense"):
        refused(caller.get(path), 404, "ROUTE_NOT_FOUND")


MAKERS = {
    "/dead-letters/<": lambda agent: make_dead_letter(make_session(agent)),
    "/invitations/<": make_invitation,
    "/jobs/<": make_job,
    "/members/<": make_member,
    "/memories/<": lambda agent: make_memory(agent, str(uuid7())),
    "/sessions/<": lambda agent: make_session(agent, str(uuid7())),
    "/tokens/<": make_token,
}


def path_to_a_row_of(agent: Agent, route: Route) -> str:
    """Make a row of the kind that the route is about, and return its path."""
    if "/directive" in route.path:
        with tenant(agent.org_id):  # the route before may have archived the agent
            Agent.objects.filter(pk=agent.pk).update(status=Agent.Status.ACTIVE)
            twin = {"org_id": agent.org_id, "name": "Twin", "slug": TWIN, "memory_scope": "agent"}
            Agent.objects.get_or_create(pk=TWIN, defaults=twin)
        push_directive(agent=agent, content="Be kind.", actor=TESTS)
    if "/agents/<" in route.path:
        return address(route, pk=agent.pk, agent_id=agent.pk)
    (make,) = [make for place, make in MAKERS.items() if place in route.path]
    return address(route, pk=make(agent).pk)


def browse(client: Client, route: Route, path: str = "") -> Any:
    """Call a route from a signed-in browser; on nobody's row unless `path` names one."""
    body = orjson.dumps(sample(route) or {}) if path else b"{}"
    where = path or address(route)
    return client.generic(route.method, where, data=body, content_type="application/json")
