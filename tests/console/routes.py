"""Every route of the console, found by walking its URLconf, and a real row for each kind of id.

Whoever adds a route with a new kind of parameter names an example of it in `known_rows`; whoever
adds one that answers no whole page says why in `NO_PAGE`. Otherwise the tests that walk here fail.
"""

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from allauth.account.forms import default_token_generator
from allauth.account.internal.flows.login import record_authentication
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.usersessions.models import UserSession
from axes.models import AccessAttempt
from django.core.files.storage import storages
from django.db.models import Min
from django.http import HttpRequest
from django.test import Client
from django.urls import URLPattern
from fido2 import cbor
from fido2.utils import websafe_encode

from agents.filters import AgentFilter
from agents.models import Agent
from agents.services import create_agent
from directives.services import push_directive, save_draft
from ibex.archives import archive_storage
from ibex.ids import uuid7
from ibex.tenancy import tenant
from memories.services import archive_memory, write_memory
from orgs.audit import Actor
from orgs.invitations import invite
from orgs.models import AuditEvent, Membership, Operator, Token
from orgs.permissions import ALL, Permission
from orgs.saved_views import save_view
from sessions.archiving import ALIAS
from tests.api.rows import make_dead_letter, make_job, make_memory
from tests.conftest import TESTS, World
from tests.console.conftest import Story
from tests.console.route_table import DIRECTIVE, MEMORY, OPEN, ORG, OWN, RESET, SESSION, TURN
from tests.identity.doors import attempt
from tests.sessions.archives import ended_and_archived
from tests.sessions.turns import make_session, record_turn
from tests.urlconfs import routes_of

PARAMETER = re.compile(r"\(\?P<(\w+)>[^)]*\)|<(?:\w+:)?(\w+)>")
"""A parameter of a route, as `path` or as `re_path` writes it."""
QUERIES = {f"/sessions/{SESSION}/tail/": "?after=0&status=active"}
"""What an address has to say besides its path."""
Known = dict[str, str]
"""An id of a row of Acme by the name of the parameter that takes it."""

NO_PAGE: dict[str, str] = {
    "/api/v1/archives/<str:signed>": "a file",
    RESET: "leads on, so that the key leaves the address bar",
    "/accounts/sign-in/": "leads on: Alice is signed in",
    "/accounts/password/set/": "leads on: Alice has a password",
    "/accounts/second-factor/": "leads on: Alice is signed in",
    "/accounts/second-factor/required/": "leads on: Alice's organization asks for none",
    "/accounts/second-factor/settings/": "leads to one's own page",
    "/accounts/second-factor/app/": "leads on: Alice has an app",
    "/accounts/second-factor/codes/download/": "a file",
    "/accounts/passkeys/": "leads to one's own page",
    "/accounts/passkeys/sign-in/": "leads on: Alice is signed in",
    "/accounts/sso-failed/": "a page, but its status is 401",
    "/accounts/sso/<str:provider_id>/back/": "where a provider leads back to",
    "/setup/first-request/": "a part of the overview",
    "/agents/<uuid:agent_id>/peek/": "a part of a list",
    "/agents/<uuid:agent_id>/figures/": "a part of an agent's page",
    f"/memories/{MEMORY}/peek/": "a part of a list",
    f"/sessions/{SESSION}/peek/": "a part of a list",
    f"/sessions/{SESSION}/tail/": "a part of a session",
    f"{TURN}/prompt/": "a part of a session",
    f"{TURN}/": "leads to its place in the session",
    f"{TURN}/request/": "plain text",
    f"{TURN}/answer/": "plain text",
    f"{TURN}/pieces/<int:number>/": "plain text",
    "/demo/remove/": "there in the demo organization alone",
    "/jobs/bell/": "a part of every page",
    "/dead-letters/<uuid:letter_id>/peek/": "a part of a list",
    "/jobs/<uuid:job_id>/peek/": "a part of a list",
    "/jobs/<uuid:job_id>/row/": "a part of a list",
    f"{DIRECTIVE}/peek/": "a part of a list",
}
"""Routes whose GET answers Acme's owner no whole page, and why.

Those that take no GET at all are in the table of the matrix as 405.
"""


def patterns() -> list[tuple[str, URLPattern]]:
    """Walk the console's URLconf."""
    return routes_of("dashboard")


PATHS = [path for path, _pattern in patterns()]


def parameters(pattern: str) -> list[str]:
    """Name the parameters of a route."""
    return [plain or named for named, plain in PARAMETER.findall(pattern)]


def address(pattern: str, known: Known, **instead: str) -> str:
    """Fill a route's parameters; a new kind of parameter needs an example in `known_rows`."""
    rows = {**known, **instead}
    missing = set(parameters(pattern)) - set(rows)
    assert not missing, f"{pattern}: name a real row for {missing} in `known_rows`"
    filled = PARAMETER.sub(lambda found: rows[found[1] or found[2]], pattern)
    return filled.replace("^", "").removesuffix("$") + QUERIES.get(pattern, "")


def actor_of(operator: Operator, request_id: str = "") -> Actor:
    """Act as an operator does from the console."""
    return Actor("operator", operator.pk, operator.email, request_id=request_id)


@pytest.fixture
def known(world: World, story: Story, tmp_path: Path, settings: Any) -> Known:
    """Let every kind of row exist in Acme; Alice is its owner and has every factor."""
    storage = archive_storage(
        tmp_path.as_uri(), default=tmp_path, access_key="unused", secret_key="unused"
    )
    settings.STORAGES = {**settings.STORAGES, "archive": storage}
    return known_rows(world, story)


def known_rows(world: World, story: Story) -> Known:
    """Make a row of each kind by the services that make them, and return their ids."""
    colleague = world.member("viewer")
    return {
        "agent_id": str(world.scout.pk),
        "memory_id": str(story.memory.pk),
        "session_id": str(story.session.pk),
        "index": "1",
        "number": "1",
        **_agents(world),
        **_memories(world, story),
        **_work(world, story),
        **_directive(world),
        **_people(world, colleague),
        **_credentials(world, colleague),
    }


def _agents(world: World) -> Known:
    twin = create_agent(
        org=world.acme, name="Twin", slug="twin", memory_scope="subject", actor=TESTS
    )
    paused = create_agent(
        org=world.acme, name="Paused", slug="paused", memory_scope="agent", actor=TESTS
    )
    with tenant(world.acme):
        Agent.objects.filter(pk=paused.pk).update(status=Agent.Status.PAUSED)
    return {"twin_id": str(twin.pk), "paused_agent_id": str(paused.pk)}


def _memories(world: World, story: Story) -> Known:
    """One that waits for review, one that was archived, and the request that archived it."""
    waiting = make_memory(world.scout, "Waits for an operator", status="pending_review")
    request_id = str(uuid7())
    gone = write_memory(agent=world.scout, content="Was true once", actor=TESTS).memory
    archive_memory(memory=gone, actor=actor_of(world.alice, request_id), reason="Outdated")
    letter = make_dead_letter(story.session)
    with tenant(world.acme):
        event = AuditEvent.objects.filter(org_id=world.acme.pk).latest("at")
    return {
        "event_id": str(event.pk),
        "letter_id": str(letter.pk),
        "waiting_memory_id": str(waiting.pk),
        "archived_memory_id": str(gone.pk),
        "request_id": request_id,
    }


def _work(world: World, story: Story) -> Known:
    failed = make_job(world.scout, state="failed", why="The store refused the write")
    queued = make_job(world.scout)
    session = make_session(world.scout)
    record_turn(session, "Goodbye")
    archived = ended_and_archived(session)
    signed = storages[ALIAS].link(archived.archive_key, timedelta(minutes=5))  # type: ignore[attr-defined]
    return {
        "job_id": str(failed.pk),
        "queued_job_id": str(queued.pk),
        "archived_session_id": str(archived.pk),
        "signed": signed.rsplit("/", 1)[1],
    }


def _directive(world: World) -> Known:
    """Two versions, Alice's draft and a colleague's."""
    colleague = actor_of(world.member("member"))
    push_directive(agent=world.scout, content="Answer kindly.", actor=TESTS, reason="Kinder")
    texts = {"base_version": 2, "reason": "Why not"}
    theirs = save_draft(agent=world.scout, actor=colleague, content="Answer at length.", **texts)
    save_draft(agent=world.scout, actor=actor_of(world.alice), content="Answer in verse.", **texts)
    return {"draft_id": str(theirs.pk)}


def _people(world: World, colleague: Operator) -> Known:
    """A colleague, locked out; an invitation; a view of Alice's."""
    invitation, secret = invite(
        org=world.acme, email="new@example.com", role="viewer", actor=TESTS, held=ALL
    )
    for _ in range(5):
        attempt(colleague.email, "wrong")
    attempts = AccessAttempt.objects.filter(username=colleague.email)
    with tenant(world.acme):
        member = Membership.objects.get(operator=colleague)
        filters = AgentFilter(
            {"status": "active"}, Agent.objects.filter(org=world.acme), org_id=world.acme.pk
        )
        sealed = filters.signed()
        view = save_view(
            org_id=world.acme.pk,
            operator=world.alice,
            path="/agents/",
            query="status=active",
            name="In use",
            shared=False,
            actor=TESTS,
        )
    return {
        "membership_id": str(member.pk),
        "invitation_id": str(invitation.pk),
        "secret": secret,
        "lockout_id": str(attempts.aggregate(first=Min("pk"))["first"]),
        "view_id": str(view.pk),
        "sealed": sealed,
    }


def _credentials(world: World, colleague: Operator) -> Known:
    """A token of Acme's; Alice's other browser, passkey, app, codes; a colleague's mailed link."""
    alice = world.alice
    world.token(agent=world.scout, permissions=Permission.TOKEN_CREATE | Permission.TOKEN_REVOKE)
    with tenant(world.acme):
        token = Token.objects.get(agent=world.scout)
    other = Client(headers={"user-agent": "Firefox on Linux"})
    other.force_login(alice)
    other.get("/settings/me/")
    TOTP.activate(alice, generate_totp_secret())
    RecoveryCodes.activate(alice)
    return {
        "token_id": str(token.pk),
        "device_id": str(UserSession.objects.get(user=alice).pk),
        "pk": str(make_passkey(alice).pk),
        "uidb36": user_pk_to_url_str(colleague),
        "key": default_token_generator.make_token(colleague),
        "provider_id": "oidc",
    }


def make_passkey(operator: Operator) -> Authenticator:
    """Register a passkey, as a browser's answer would."""
    credential_id = os.urandom(16)
    key = cbor.encode({1: 2, 3: -7, -1: 1, -2: bytes(32), -3: bytes(32)})
    about = bytes(32) + b"\x45" + bytes(4) + bytes(16) + b"\x00\x10" + credential_id + key
    attested = cbor.encode({"fmt": "none", "attStmt": {}, "authData": about})
    said = b'{"type":"webauthn.create","challenge":"eA","origin":"https://testserver"}'
    data = {
        "id": websafe_encode(credential_id),
        "rawId": websafe_encode(credential_id),
        "type": "public-key",
        "response": {
            "clientDataJSON": websafe_encode(said),
            "attestationObject": websafe_encode(attested),
        },
        "clientExtensionResults": {"credProps": {"rk": True}},
    }
    return Authenticator.objects.create(
        user=operator,
        type=Authenticator.Type.WEBAUTHN,
        data={"name": "Laptop", "credential": data},
    )


def confirmed(client: Client, operator: Operator) -> Client:
    """Let a signed-in operator have typed the password just now, as changes of factors ask for."""
    request = HttpRequest()
    request.session = client.session
    record_authentication(request, operator, "password", reauthenticated=True)
    request.session.save()
    return client


def takes_get(pattern: str) -> bool:
    """Say whether the matrix's table has a GET for a route; one that it lacks has."""
    rows = {path: row.get for path, row in ORG.items()}
    rows |= {path: door.alice[0] for path, door in OWN.items()}
    rows |= {path: door.alice[0] for path, (_stranger, door) in OPEN.items()}
    return rows.get(pattern, 200) != 405


def pages(client: Client, known: Known) -> dict[str, str]:
    """Return the address of every whole page by its route, for Acme's owner.

    Fails for a route that answers none and is not excused in `NO_PAGE`, and for a stale excuse.
    """
    found: dict[str, str] = {}
    silent: dict[str, str] = {}
    for pattern in filter(takes_get, PATHS):
        path = address(pattern, known)
        answer = client.get(path)
        if is_page(answer):
            found[pattern] = path
        elif pattern not in NO_PAGE:
            silent[pattern] = f"{answer.status_code} {answer.get('Location', '')}"
    assert not silent, f"These answer no whole page; mend them or say why in NO_PAGE: {silent}"
    assert not set(NO_PAGE) & set(found), "These are pages after all: take them out of NO_PAGE."
    assert not set(NO_PAGE) - set(PATHS), "These are no routes any more."
    return found


def is_page(answer: Any) -> bool:
    """Say whether an answer is a whole page."""
    if answer.status_code != 200 or "text/html" not in answer.get("Content-Type", ""):
        return False
    return not answer.streaming and b"<html" in cast("bytes", answer.content)
