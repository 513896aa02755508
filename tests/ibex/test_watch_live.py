"""A page hears which of the things it shows have changed, and of nobody else's."""

import json
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.conf import settings
from django.test import Client

import ibex.asgi
from ibex import live
from ibex.live import LiveConsumer
from ibex.tenancy import tenant
from orgs.models import Membership, Operator
from orgs.permissions import Permission
from sessions.models import Session
from tests.conftest import World
from tests.sessions.turns import make_session, record_turn

HOST = "localhost:3000"
in_thread = sync_to_async(
    lambda work, *args, **kwargs: work(*args, **kwargs), thread_sensitive=False
)


class Socket(ApplicationCommunicator):
    """A browser's end of the socket."""

    async def connect(self) -> bool:
        await self.send_input({"type": "websocket.connect"})
        return (await self.receive_output())["type"] == "websocket.accept"

    async def say(self, text: str) -> None:
        await self.send_input({"type": "websocket.receive", "text": text})

    async def watch(self, *names: str) -> None:
        await self.say(json.dumps({"watch": names}))

    async def hear(self) -> Any:
        return json.loads((await self.receive_output(timeout=3))["text"])

    async def leave(self) -> None:
        await self.send_input({"type": "websocket.disconnect", "code": 1001})
        await self.wait()


@pytest.fixture(autouse=True)
def quick_polls(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["localhost"]
    monkeypatch.setattr(live, "POLL_S", 0.05)


def cookie_of(operator: Operator) -> str:
    client = Client()
    client.force_login(operator)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def socket(cookie: str = "", origin: str = f"http://{HOST}") -> Socket:
    headers = [(b"host", HOST.encode()), (b"origin", origin.encode())]
    headers.append((b"cookie", f"{settings.SESSION_COOKIE_NAME}={cookie}".encode()))
    scope = {"type": "websocket", "path": "/ws/live", "headers": headers}
    return Socket(LiveConsumer.as_asgi(), scope)


async def opened(operator: Operator) -> Socket:
    one = socket(await in_thread(cookie_of, operator))
    assert await one.connect()
    return one


async def test_a_page_hears_of_a_new_turn(committed_world: World) -> None:
    session = await in_thread(make_session, committed_world.scout)
    page = await opened(committed_world.alice)
    name = f"session:{session.pk}"
    await page.watch(name)
    assert await page.hear() == {"changed": [name]}  # it may be newer than the page
    assert await page.receive_nothing(timeout=0.3)
    await in_thread(record_turn, session, "Hello")
    assert await page.hear() == {"changed": [name]}
    await page.leave()


async def test_another_orgs_session_never_changes(committed_world: World) -> None:
    session = await in_thread(make_session, committed_world.scout)
    page = await opened(committed_world.mallory)
    await page.watch(f"session:{session.pk}")
    await in_thread(record_turn, session, "Hello")
    assert await page.receive_nothing(timeout=0.4)
    await page.leave()


async def test_nobody_signed_in_is_refused(committed_world: World) -> None:
    assert not await socket("no-such-session").connect()


@pytest.mark.parametrize("origin", ["http://evil.example", "", "null", "http://localhost:3001"])
async def test_a_page_of_another_origin_is_refused(committed_world: World, origin: str) -> None:
    cookie = await in_thread(cookie_of, committed_world.alice)
    assert not await socket(cookie, origin).connect()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"watch": 1}',
        '{"watch": [1]}',
        '{"watch": ["session:x"]}',
        "null",
        "9" * 20_000,
    ],
)
async def test_a_malformed_message_ends_the_socket(committed_world: World, text: str) -> None:
    page = await opened(committed_world.alice)
    await page.say(text)
    assert (await page.receive_output())["code"] == live.MALFORMED


async def test_what_is_unknown_or_not_allowed_is_named(
    committed_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await in_thread(make_session, committed_world.scout)
    viewer = await in_thread(committed_world.member, "viewer")
    secret = live.WATCHERS["session"].fingerprints
    monkeypatch.setitem(live.WATCHERS, "session", live_watcher(Permission.ERASE, secret))
    page = await opened(viewer)
    names = [f"nothing:{session.pk}", f"session:{session.pk}"]
    await page.watch(*names)
    assert await page.hear() == {"refused": names}
    assert await page.receive_nothing(timeout=0.2)
    await page.leave()


def live_watcher(needs: Permission, fingerprints: Any) -> Any:
    return type(live.WATCHERS["session"])(needs, fingerprints)


async def test_a_removed_member_hears_nothing_more(
    committed_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "RECHECK_EVERY", 2)
    page = await opened(committed_world.alice)

    def remove() -> None:
        with tenant(committed_world.acme):
            Membership.objects.filter(operator=committed_world.alice).delete()

    await in_thread(remove)
    assert (await page.receive_output(timeout=2))["code"] == live.SIGNED_OUT


async def test_a_dead_database_ends_the_socket_with_try_again(
    committed_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await in_thread(make_session, committed_world.scout)
    page = await opened(committed_world.alice)

    def away(*_args: object) -> None:
        raise live.OperationalError

    monkeypatch.setattr(live, "fingerprints", away)
    await page.watch(f"session:{session.pk}")
    assert (await page.receive_output(timeout=2))["code"] == live.TRY_AGAIN_LATER


async def test_a_socket_that_no_role_serves_is_refused() -> None:
    scope = {"type": "websocket", "path": "/ws/nothing", "headers": []}
    assert not await Socket(ibex.asgi.application, scope).connect()


def test_both_roles_that_a_browser_reaches_serve_the_socket() -> None:
    assert "/ws/live" in ibex.asgi.SOCKETS["api"]
    assert "/ws/live" in ibex.asgi.SOCKETS["dashboard"]


def test_watching_many_sessions_is_one_query(world: World, django_assert_num_queries: Any) -> None:
    sessions = [make_session(world.scout) for _ in range(3)]
    with tenant(world.acme), django_assert_num_queries(1):
        found = live.WATCHERS["session"].fingerprints({one.pk for one in sessions})
    assert set(found) == {one.pk for one in sessions}
    assert isinstance(sessions[0], Session)
