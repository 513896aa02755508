"""`/ws/live`: tells an open page of the console which of the things it shows have changed.

The page names what it shows; once a second a cheap fingerprint of each is read inside the
operator's tenant. Nothing but ids is sent: the page fetches the fragment again, so permissions and
row-level security apply again. There is no channel layer, so nothing here depends on Redis.
"""

import asyncio
import json
from collections import defaultdict
from http.cookies import CookieError, SimpleCookie
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import psycopg
import structlog
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings
from django.contrib.auth import get_user
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest
from django.http.request import split_domain_port, validate_host

from ibex.failures import describe
from ibex.tenancy import tenant
from ibex.watching import WATCHERS
from orgs.access import Access, accesses_of, chosen_access, lacks_second_factor
from orgs.models import Operator

log = structlog.get_logger(__name__)

POLL_S = 1.0
RECHECK_EVERY = 15
"""How many polls pass before the operator's session and membership are looked at again."""
MAX_WATCHED = 100
MAX_MESSAGE = 16_384
MALFORMED = 4400
SIGNED_OUT = 4401
TRY_AGAIN_LATER = 1013
SESSIONS = import_module(settings.SESSION_ENGINE)

Thing = tuple[str, UUID]


class Malformed(Exception):
    """A message is `{"watch": ["<kind>:<id>", …]}` and nothing else."""


class LiveConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]  # Channels is untyped
    """One open page of a signed-in operator."""

    access: Access
    polling: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """Accept a page of our own console whose operator is signed in; refuse any other."""
        self.watched: set[Thing] = set()
        self.seen: dict[Thing, Any] = {}
        headers = _headers(self.scope)
        self.session_key = _session_key(headers.get("cookie", ""))
        access = None
        if is_our_origin(headers.get("origin", ""), headers.get("host", "")):
            access = await _in_thread(find_access, self.session_key)
        if access is None:
            await self.close()
            return
        self.access = access
        await self.accept()
        self.polling = asyncio.create_task(self._poll())

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:  # noqa: ARG002 - the signature of Channels
        """Take what the page shows from now on."""
        try:
            things = read_message(text_data or "")
        except Malformed:
            await self.close(MALFORMED)
            return
        allowed = {thing for thing in things if _may_watch(self.access, thing[0])}
        if refused := things - allowed:
            await self.send_json({"refused": _names(refused)})
        self.watched = allowed
        self.seen = {thing: seen for thing, seen in self.seen.items() if thing in allowed}

    async def disconnect(self, _code: int) -> None:
        """Stop looking."""
        if self.polling:
            self.polling.cancel()

    async def _poll(self) -> None:
        """Look once a second until the page leaves; without Postgres the page tries again later."""
        try:
            await self._look_and_tell()
        except (OperationalError, InterfaceError, psycopg.OperationalError):
            await self.close(TRY_AGAIN_LATER)
        except Exception as error:  # noqa: BLE001 - the outermost frame of this task
            log.error("live_failed", error=describe(error))  # noqa: TRY400 - no text of rows
            await self.close(TRY_AGAIN_LATER)

    async def _look_and_tell(self) -> None:
        polls = 0
        while True:
            await asyncio.sleep(POLL_S)
            polls += 1
            if polls % RECHECK_EVERY == 0 and not await self._is_still_there():
                await self.close(SIGNED_OUT)
                return
            watched = set(self.watched)
            if not watched:
                continue
            found = await _in_thread(fingerprints, self.access.org_id, watched)
            changed = {one for one in watched if self.seen.get(one) != found.get(one)}
            self.seen = {one: found.get(one) for one in watched & self.watched}
            if changed:
                await self.send_json({"changed": _names(changed)})

    async def _is_still_there(self) -> bool:
        access: Access | None = await _in_thread(find_access, self.session_key)
        return access is not None and access == self.access


def read_message(text: str) -> set[Thing]:
    """Read what a page wants to watch. Raises `Malformed`."""
    if len(text) > MAX_MESSAGE:
        raise Malformed
    try:
        names = json.loads(text)["watch"]
        things = {(kind, UUID(pk)) for kind, _, pk in (name.partition(":") for name in names)}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise Malformed from None
    if len(things) > MAX_WATCHED:
        raise Malformed
    return things


def fingerprints(org_id: UUID, things: set[Thing]) -> dict[Thing, Any]:
    """Read the fingerprint of each thing that exists in the organization; a query a kind."""
    by_kind: dict[str, set[UUID]] = defaultdict(set)
    for kind, pk in things:
        by_kind[kind].add(pk)
    with tenant(org_id):
        return {
            (kind, pk): value
            for kind, ids in by_kind.items()
            for pk, value in WATCHERS[kind].fingerprints(ids).items()
        }


def find_access(session_key: str) -> Access | None:
    """Say which organization a browser's session works in; None when nobody is signed in."""
    request = HttpRequest()
    request.session = SESSIONS.SessionStore(session_key)
    operator = get_user(request)
    if not isinstance(operator, Operator) or not operator.is_active:
        return None
    access = chosen_access(request.session, accesses_of(operator))
    return None if access is None or lacks_second_factor(operator, access) else access


def is_our_origin(origin: str, host: str) -> bool:
    """Say whether the page that opens the socket is ours: cookies alone prove nothing."""
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    domain, _port = split_domain_port(host)
    ours = validate_host(domain, settings.ALLOWED_HOSTS)
    return bool(domain) and ours and urlsplit(origin).netloc.lower() == host.lower()


def _may_watch(access: Access, kind: str) -> bool:
    watcher = WATCHERS.get(kind)
    return watcher is not None and not watcher.needs & ~access.permissions


def _names(things: set[Thing]) -> list[str]:
    return sorted(f"{kind}:{pk}" for kind, pk in things)


def _headers(scope: Any) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _session_key(cookies: str) -> str:
    try:
        morsel = SimpleCookie(cookies).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


async def _in_thread(function: Any, *arguments: Any) -> Any:
    """Run database work in a thread of its own, as a page's request does."""
    return await database_sync_to_async(function, thread_sensitive=False)(*arguments)
