"""Every route of the console for everybody who may come: none can be forgotten.

What each of them gets is written down in `route_table`; here the URLconf is walked and asked.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.apps import apps
from django.core.cache import cache
from django.db import transaction
from django.test import Client

from agents.forms import DEFAULTS
from agents.models import Agent
from directives.services import save_draft
from ibex.ids import uuid7
from ibex.security import POLICY
from ibex.tenancy import tenant
from ibex.versions import version_of
from orgs.members import suspend_member
from orgs.models import Membership, Operator, Organization
from orgs.permissions import ALL, ROLE_PERMISSIONS, Permission
from tests.conftest import FULL, TESTS, World
from tests.console.route_table import DIRECTIVE, MEMORY, OPEN, ORG, OWN, SESSION
from tests.console.routes import (
    PATHS,
    Known,
    actor_of,
    address,
    confirmed,
    known,
    parameters,
    takes_get,
)
from tests.identity.conftest import own_counters

__all__ = ["known", "own_counters"]

Pair = tuple[int, int]
"""The statuses of a GET and of a POST."""
METHODS = ("GET", "POST")
SIGN_IN = "/accounts/sign-in/"
ALICES_OWN = {"/views/<uuid:view_id>/delete/"}
"""What is missing for other members too: nobody but Alice sees her view."""
SEEN_BY_WHO_MANAGES = {
    "/jobs/<uuid:job_id>/",
    "/jobs/<uuid:job_id>/peek/",
    "/jobs/<uuid:job_id>/row/",
    "/jobs/<uuid:job_id>/cancel/",
    "/jobs/<uuid:job_id>/retry/",
}
"""What is missing for members who do not manage jobs, unless it is theirs."""
WITH_ACMES_IDS_IN_THE_BODY = {
    "/views/save/": 404,
    "/agents/bulk/pause/": 409,
    "/agents/bulk/activate/": 409,
    "/memories/bulk/archive/": 409,
    "/memories/bulk/restore/": 409,
    "/memories/bulk/tag/": 409,
    "/memories/bulk/delete/": 409,
    "/memories/new/": 400,
    "/memories/undo/<uuid:request_id>/": 302,
    "/sessions/bulk/terminate/": 409,
    "/dead-letters/retry/": 409,
    "/settings/organization/": 409,
}
"""What Mallory's POST gets where Acme's ids are no part of a row's address.

The version of Acme's settings is not that of hers. A request's id is no row of Acme's: one of hers that did nothing and one of Acme's look the same.
"""
ASKED = (
    *(
        "q",
        "mode",
        "cursor",
        "sort",
        "base",
        "head",
        "whitespace",
        "begin",
        "before",
        "raw",
        "turn",
    ),
    *("found_from", "after", "paused", "compare", "without", "range", "next", "focus", "peek"),
    *("agent", "status", "state", "category", "subject", "tag", "source", "action", "request_id"),
    *("role", "since", "until", "created_after", "created_before", "last_turn_after", "view"),
    *("last_turn_before", "actor", "actor_id", "confidence_max", "confidence_min", "stalled"),
    *("directive_version", "external_id", "has_errors", "kind", "memory_scope", "min_turns"),
    *("name", "owner", "pii", "pinned", "suspended", "target_id", "target_type", "visibility"),
)
"""What addresses ask for."""


def instead(path: str, rows: Known) -> Known:
    """Choose rows in the state that a change asks for."""
    kept = {
        f"/memories/{MEMORY}/restore/": {"memory_id": rows["archived_memory_id"]},
        "/agents/<uuid:agent_id>/activate/": {"agent_id": rows["paused_agent_id"]},
        "/jobs/<uuid:job_id>/cancel/": {"job_id": rows["queued_job_id"]},
        f"/sessions/{SESSION}/archive/": {"session_id": rows["archived_session_id"]},
    }
    for decision in ("keep", "replace", "keep-both", "reject", "accept"):
        kept[f"/memories/{MEMORY}/{decision}/"] = {"memory_id": rows["waiting_memory_id"]}
    return kept.get(path, {})


def bodies(world: World, rows: Known) -> dict[str, dict[str, Any]]:
    """Say what a form of each route sends; the others need nothing, or a reason."""
    with tenant(world.acme):
        org = Organization.objects.get(pk=world.acme.pk)
        scout = Agent.objects.get(pk=world.scout.pk)
    agent = {"name": "New", "slug": f"new-{uuid7()}", "memory_scope": "agent", **DEFAULTS}
    memory = {
        "content": "The team rests on Sundays.",
        "category": "factual",
        "confidence": "0.8",
        "visibility": "agent",
    }
    draft = {
        "content": "Answer in rhymes.",
        "injection_mode": "system_first",
        "base_mode": "system_first",
        "base_version": "2",
        "revision": "1",
    }

    def chosen(kind: str, **more: str) -> dict[str, Any]:
        return {"scope": "ids", "ids": [rows[kind]], "expected": "1", **more}

    return {
        "/views/save/": {"path": "/agents/", "query": rows["sealed"], "name": "Mine"},
        "/settings/organization/": {
            "name": org.name,
            "base_version": version_of(org.updated_at),
            "data_retention_days": org.data_retention_days or "",
            "rpm": org.rpm or "",
            "monthly_token_budget": org.monthly_token_budget or "",
        },
        "/settings/members/invite/": {"email": "another@example.com", "role": "viewer"},
        "/settings/members/<uuid:membership_id>/role/": {"role": "member"},
        "/settings/tokens/new/": {
            "token_id": str(uuid7()),
            "name": "Another",
            "permissions": ["TokenCreate"],
        },
        "/settings/tokens/<uuid:token_id>/rotate/": {"grace": "24h"},
        "/agents/new/": agent,
        "/agents/<uuid:agent_id>/settings/": {
            **agent,
            "name": "Renamed",
            "base_version": version_of(scout.updated_at),
        },
        "/agents/bulk/pause/": chosen("agent_id"),
        "/agents/bulk/activate/": chosen("paused_agent_id"),
        "/memories/bulk/archive/": chosen("memory_id"),
        "/memories/bulk/restore/": chosen("archived_memory_id"),
        "/memories/bulk/tag/": chosen("memory_id", add="x"),
        "/memories/bulk/delete/": chosen("memory_id"),
        "/sessions/bulk/terminate/": chosen("session_id"),
        "/dead-letters/retry/": chosen("letter_id"),
        "/memories/new/": {**memory, "agent": rows["agent_id"]},
        f"/memories/{MEMORY}/edit/": {**memory, "usefulness": "0.5", "base_version": "1"},
        f"/memories/{MEMORY}/tag/": {"add": "x"},
        f"/memories/{MEMORY}/feedback/": {"rating": "positive"},
        f"/memories/{MEMORY}/keep-both/": {
            "until": "2026-01-01T00:00:00",
            "begins": "2026-02-01T00:00:00",
        },
        f"{DIRECTIVE}/": draft,
        f"{DIRECTIVE}/draft/": draft,
        f"{DIRECTIVE}/drafts/<uuid:draft_id>/take/": {"revision": "1"},
        f"{DIRECTIVE}/review/": {"revision": "1"},
        f"{DIRECTIVE}/versions/<int:number>/edit/": {"revision": "1", "base_version": "2"},
        f"{DIRECTIVE}/versions/<int:number>/copy/": {"agent": rows["twin_id"]},
        f"{DIRECTIVE}/versions/<int:number>/roll-back/": {"base_version": "2"},
        "/settings/me/": {
            "name": "Alice",
            "theme": "dark",
            "density": "compact",
            "time_zone": "UTC",
        },
        "/settings/me/theme/": {"theme": "dark"},
        "/organizations/": {"org_id": str(world.acme.pk)},
    }


@contextmanager
def taken_back() -> Iterator[None]:
    """Undo what a request did to the rows: every route is asked in the same world."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
    cache.clear()


class Matrix:
    """Asks every route as one person, each time anew."""

    def __init__(self, world: World, rows: Known) -> None:
        self.world, self.rows = world, rows
        self.bodies = bodies(world, rows)
        self._signed_in: dict[Operator, SimpleCookie] = {}

    def address(self, path: str) -> str:
        return address(path, self.rows, **instead(path, self.rows))

    def path(self, path: str) -> str:
        return self.address(path).partition("?")[0]

    def body(self, path: str) -> dict[str, Any]:
        return {"reason": "Why not", **self.bodies.get(path, {})}

    def ask(self, method: str, path: str, operator: Operator | None, **options: Any) -> Any:
        """Send one request and take back what it did."""
        client = Client(raise_request_exception=False, **options.pop("client", {}))
        if operator is not None:
            client.cookies = self._cookies(operator)
        with taken_back():
            if method == "GET":
                query = options.pop("query", None)
                where = self.address(path) if query is None else self.path(path) + query
                return client.get(where, **options)
            return client.post(self.address(path), options.pop("body", self.body(path)), **options)

    def _cookies(self, operator: Operator) -> SimpleCookie:
        """Sign in once; every request brings the same cookies, and what it did to them is gone."""
        if operator not in self._signed_in:
            client = Client()
            client.force_login(operator)
            self._signed_in[operator] = confirmed(client, operator).cookies
        return deepcopy(self._signed_in[operator])

    def statuses(self, operator: Operator | None, paths: Iterable[str]) -> dict[str, Pair]:
        """Ask each route by GET and by POST."""
        return {path: self.pair(path, operator) for path in paths}

    def pair(self, path: str, operator: Operator | None) -> Pair:
        get, post = (self.ask(method, path, operator) for method in METHODS)
        return get.status_code, post.status_code


@pytest.fixture
def matrix(world: World, known: Known) -> Matrix:
    return Matrix(world, known)


@pytest.fixture
def suspended(world: World) -> Operator:
    """A member of Acme, let in no longer."""
    operator = world.member("admin")
    with tenant(world.acme):
        membership = Membership.objects.get(operator=operator)
        suspend_member(membership=membership, actor=TESTS, held=ALL)
    return operator


def member_who_writes(world: World, role: str) -> Operator:
    """Make a member with a draft, as Alice has one: without, there is nothing to review."""
    operator = world.member(role)
    texts = {"content": "Answer in prose.", "base_version": 2, "reason": "Why not"}
    save_draft(agent=world.scout, actor=actor_of(operator), **texts)
    return operator


def may(permissions: Permission, status: int, needs: Permission) -> int:
    """Say what somebody with these permissions gets where an owner gets `status`."""
    return 403 if status != 405 and needs & ~permissions else status


def by_role(role: str, path: str) -> Pair:
    """Say what a member of Acme gets from a page of the organization."""
    row, held = ORG[path], ROLE_PERMISSIONS[role]
    if path in ALICES_OWN:
        return 404 if row.get != 405 else 405, 404 if row.post != 405 else 405
    if path in SEEN_BY_WHO_MANAGES and not held & Permission.JOB_MANAGE:
        return 404 if row.get != 405 else 405, 404 if row.post != 405 else 405
    return may(held, row.get, row.reads), may(held, row.post, row.writes)


def mallorys(path: str) -> Pair:
    """Say what an owner of another organization gets who has all of Acme's ids."""
    row = ORG[path]
    if path in WITH_ACMES_IDS_IN_THE_BODY:
        return row.get, WITH_ACMES_IDS_IN_THE_BODY[path]
    if not parameters(path):
        return row.get, row.post
    return 405 if row.get == 405 else 404, 405 if row.post == 405 else 404


def test_every_route_is_in_one_of_the_tables() -> None:
    missing = sorted(set(PATHS) - set(ORG) - set(OWN) - set(OPEN))
    assert not missing, (
        f"Say in tests/console/route_table.py who gets what from {missing}: add a row to ORG "
        "(a page of an organization, with the permissions it takes), OWN (an operator's own) or "
        "OPEN (there before signing in), and what its form sends to `bodies` in this file."
    )
    gone = sorted((set(ORG) | set(OWN) | set(OPEN)) - set(PATHS))
    assert not gone, f"These routes are gone; take them out of route_table.py: {gone}"
    assert len(PATHS) == len(set(PATHS)) == len(ORG) + len(OWN) + len(OPEN)


def test_an_owner_gets_every_page_and_makes_every_change(world: World, matrix: Matrix) -> None:
    expected = {path: (row.get, row.post) for path, row in ORG.items()}
    expected |= {path: door.alice for path, door in OWN.items()}
    expected |= {path: door.alice for path, (_stranger, door) in OPEN.items()}
    assert matrix.statuses(world.alice, expected) == expected


def test_a_stranger_is_asked_to_sign_in_and_led_back(matrix: Matrix) -> None:
    for path, row in ORG.items():
        for method, status in zip(METHODS, (row.get, row.post), strict=True):
            answer = matrix.ask(method, path, None)
            if status == 405:
                assert answer.status_code == 405, (method, path)
            else:
                back = quote(matrix.address(path), safe="/")
                expected = (302, f"{SIGN_IN}?next={back}")
                assert (answer.status_code, answer["Location"]) == expected, (method, path)


def test_a_stranger_sees_nothing_of_an_operators_own(matrix: Matrix) -> None:
    for path, door in OWN.items():
        for method, status in zip(METHODS, door.alice, strict=True):
            answer = matrix.ask(method, path, None)
            if answer.status_code == 405:
                assert status == 405, (method, path)
            else:
                assert answer.status_code == 302, (method, path)
                assert answer["Location"].startswith(SIGN_IN), (method, path)


def test_what_is_open_answers_a_stranger(matrix: Matrix) -> None:
    expected = {path: stranger for path, (stranger, _door) in OPEN.items()}
    assert matrix.statuses(None, expected) == expected


def test_a_fragment_asked_for_by_a_stranger_moves_the_whole_page(matrix: Matrix) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/agents/?status=active"}
    for path, row in ORG.items():
        if row.get != 405:
            answer = matrix.ask("GET", path, None, headers=headers, follow=True)
            assert answer["HX-Redirect"] == f"{SIGN_IN}?next=%2Fagents%2F%3Fstatus%3Dactive", path
            assert answer.content == b"", path


@pytest.mark.parametrize("role", ["viewer", "member", "admin"])
def test_a_member_gets_what_the_role_holds(world: World, matrix: Matrix, role: str) -> None:
    expected = {path: by_role(role, path) for path in ORG}
    assert matrix.statuses(member_who_writes(world, role), ORG) == expected


def test_a_viewer_changes_nothing_and_is_told_why(world: World, matrix: Matrix) -> None:
    viewer, refused = member_who_writes(world, "viewer"), []
    for path, row in ORG.items():
        if row.post != 405 and row.writes & ~ROLE_PERMISSIONS["viewer"]:
            answer = matrix.ask("POST", path, viewer)
            assert b"Your role does not" in answer.content, path
            refused.append(path)
    left = {path for path, row in ORG.items() if row.post != 405} - set(refused)
    assert left == {
        "/views/save/",
        "/views/<uuid:view_id>/delete/",
        "/setup/hide/",
        "/jobs/read/",
        "/jobs/<uuid:job_id>/cancel/",
        "/jobs/<uuid:job_id>/retry/",
    }  # what is the viewer's own


def test_each_permission_that_is_named_is_asked_for_and_no_other(
    world: World, matrix: Matrix, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = member_who_writes(world, "member")

    def ask(held: Permission, method: str, path: str) -> int:
        monkeypatch.setitem(ROLE_PERMISSIONS, "member", held)
        return int(matrix.ask(method, path, operator).status_code)

    for path, row in ORG.items():
        asked = (("GET", row.get, row.reads), ("POST", row.post, row.writes))
        for method, status, needs in asked:
            if status == 405 or not needs:
                continue
            for bit in Permission:
                if bit & needs:
                    assert ask(ALL & ~bit, method, path) == 403, (method, path, bit.name)
            assert ask(needs, method, path) != 403, (method, path)


def test_a_suspended_member_is_shown_the_way_out(
    world: World, matrix: Matrix, suspended: Operator
) -> None:
    for path, row in ORG.items():
        for method, status in zip(METHODS, (row.get, row.post), strict=True):
            answer = matrix.ask(method, path, suspended)
            if status == 405:
                assert answer.status_code == 405, (method, path)
            else:
                expected = (302, "/organizations/")
                assert (answer.status_code, answer["Location"]) == expected, (method, path)


def test_what_is_open_or_ones_own_answers_others_for_themselves(
    world: World, matrix: Matrix, suspended: Operator
) -> None:
    expected = {path: door.others for path, door in OWN.items()}
    expected |= {path: door.others for path, (_stranger, door) in OPEN.items()}
    for operator in (world.mallory, suspended):
        assert matrix.statuses(operator, expected) == expected


def test_another_organizations_rows_are_missing(world: World, matrix: Matrix) -> None:
    expected = {path: mallorys(path) for path in ORG}
    assert matrix.statuses(world.mallory, ORG) == expected


def test_another_organizations_rows_are_nowhere_to_be_read(world: World, matrix: Matrix) -> None:
    seen = set()
    for path in ORG:
        for method in METHODS:
            hers = matrix.ask(method, path, world.mallory)
            mine = matrix.ask(method, path, world.alice)
            for secret in (b"Scout", b"Fridays", b"Answer briefly", world.alice.email.encode()):
                assert secret not in hers.content, (method, path)
                seen |= {secret} if secret in mine.content else set()
    assert len(seen) == 4  # Alice reads them all


def rows_of(org: Organization, *operators: Operator) -> dict[str, list[Any]]:
    """Return every row of an organization, and of what is these operators' own."""
    found = {}
    with tenant(org):
        for model in apps.get_models():
            fields = {getattr(field, "attname", "") for field in model._meta.get_fields()}
            if "org_id" in fields:
                rows = model.objects.filter(org_id=org.pk)
            elif "user_id" in fields:
                rows = model.objects.filter(user__in=operators)
            else:
                continue
            found[model._meta.label] = sorted(rows.values_list(), key=repr)
        found["org"] = list(Organization.objects.filter(pk=org.pk).values_list())
    people = Operator.objects.filter(pk__in=[one.pk for one in operators])
    found["operators"] = list(people.values_list("email", "password", "is_active", "theme"))
    return found


def test_another_organizations_rows_are_not_touched(world: World, matrix: Matrix) -> None:
    before = rows_of(world.acme, world.alice)
    assert sum(bool(rows) for rows in before.values()) >= 18, sorted(before)
    for path in [*ORG, *OWN]:
        client = Client(raise_request_exception=False)
        client.force_login(world.mallory)
        confirmed(client, world.mallory)
        answer = client.post(matrix.address(path), matrix.body(path))
        assert answer.status_code < 500, path
    assert rows_of(world.acme, world.alice) == before
    client = Client()
    client.force_login(world.alice)
    pin = f"/memories/{MEMORY}/pin/"
    assert client.post(matrix.address(pin), matrix.body(pin)).status_code == 302
    changed = {
        label for label, rows in rows_of(world.acme, world.alice).items() if rows != before[label]
    }
    assert {"memories.Memory", "orgs.AuditEvent"} <= changed


def test_a_filter_that_acme_signed_selects_nothing_elsewhere(
    world: World, matrix: Matrix, known: Known
) -> None:
    body = {"scope": "query", "query": known["sealed"], "reason": "Why not"}
    pause = "/agents/bulk/pause/"
    hers = matrix.ask("POST", pause, world.mallory, body=body, follow=True)
    assert b"open the list again" in hers.content
    mine = matrix.ask("POST", pause, world.alice, body=body)
    assert (mine.status_code, b"Pause 2 agents" in mine.content) == (200, True)


def test_a_change_needs_the_token_of_its_page(world: World, matrix: Matrix) -> None:
    client = {"enforce_csrf_checks": True}
    for path in (path for path in PATHS if posts(path)):
        for operator in (world.alice, None):
            answer = matrix.ask("POST", path, operator, client=client)
            assert answer.status_code == 403, path
            assert b"Not allowed" in answer.content, path


def test_no_answer_is_kept_and_every_page_has_the_policy(world: World, matrix: Matrix) -> None:
    for path in PATHS:
        for method in METHODS:
            for operator in (world.alice, None):
                answer = matrix.ask(method, path, operator)
                assert "no-store" in answer["Cache-Control"], (method, path)
                assert answer["Content-Security-Policy"] == POLICY, (method, path)


LARGE = b"reason=" + b"x" * (10 * 1024 * 1024)


def test_a_body_of_10_mib_does_no_harm(world: World, matrix: Matrix) -> None:
    form = "application/x-www-form-urlencoded"
    read = 0
    for path in (path for path in PATHS if posts(path)):
        for operator in (world.alice, None):
            answer = matrix.ask("POST", path, operator, body=LARGE, content_type=form)
            assert answer.status_code < 500, path
            read += answer.status_code == 400
    assert read > 40  # the others do not read it


NONSENSE = {"NUL": "a\0b", "a number too long": "9" * 5_000}
if FULL:
    NONSENSE |= {
        "text too long": "x" * 20_000,
        "half a character": "\ud800",
        "a negative number": "-1",
        "a cursor of nobody's": "e30",
    }


@pytest.mark.parametrize("nonsense", NONSENSE.values(), ids=NONSENSE.keys())
def test_nonsense_in_a_form_is_no_fault_of_ours(
    world: World, matrix: Matrix, nonsense: str
) -> None:
    form, faults = "application/x-www-form-urlencoded", []
    for path in (path for path in PATHS if posts(path)):
        for name in matrix.body(path):
            sent = {**matrix.body(path), name: nonsense}
            body = urlencode(sent, doseq=True, errors="surrogatepass")
            answer = matrix.ask("POST", path, world.alice, body=body, content_type=form)
            faults += [(path, name)] if answer.status_code >= 500 else []
    assert not faults


@pytest.mark.parametrize("nonsense", NONSENSE.values(), ids=NONSENSE.keys())
def test_nonsense_in_an_address_is_no_fault_of_ours(
    world: World, matrix: Matrix, nonsense: str
) -> None:
    said, faults = quote(nonsense, errors="surrogatepass"), []
    query = "?" + "&".join(f"{name}={said}" for name in ASKED)
    for path in (path for path in PATHS if takes_get(path)):
        answer = matrix.ask("GET", path, world.alice, query=query)
        faults += [path] if answer.status_code >= 500 else []
    assert not faults


def posts(path: str) -> bool:
    """Say whether a route takes a POST."""
    if path in ORG:
        return ORG[path].post != 405
    door = OWN[path] if path in OWN else OPEN[path][1]
    return door.alice[1] != 405
