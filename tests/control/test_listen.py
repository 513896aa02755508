"""The WebSocket of the control channel: who may listen, what is heard, who has acknowledged."""

from collections.abc import Callable

import pytest
from django.db import connection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from agents.services import activate_agent, pause_agent
from control.models import Acknowledgement, Proxy
from directives.services import push_directive
from ibex.tenancy import tenant
from tests.conftest import TESTS, World
from tests.control.conftest import Ear, eventually

MakeEar = Callable[..., Ear]


@pytest.mark.parametrize("token", ["", "wrong", "ibex_dev_sk_LOCALDEVELOPMENTONLY"])
def test_only_the_service_token_may_listen(make_ear: MakeEar, token: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        make_ear(token)
    assert refused.value.response.status_code == 403
    assert make_ear().hello() >= 0


def test_a_change_is_heard_with_its_revision(make_ear: MakeEar, committed_world: World) -> None:
    first, second = make_ear(), make_ear()
    start = first.hello()
    second.hello("proxy-b")
    pause_agent(agent=committed_world.scout, actor=TESTS)
    for ear in (first, second):
        assert ear.until("change") == {
            "type": "change",
            "revision": start + 1,
            "org": str(committed_world.acme.pk),
            "kind": "agent",
            "target": str(committed_world.scout.pk),
        }


def test_the_revision_is_repeated_every_second(make_ear: MakeEar, committed_world: World) -> None:
    ear = make_ear()
    start = ear.hello()
    assert [ear.until("revision")["revision"] for _ in range(3)] == [start] * 3


def test_what_was_missed_can_be_asked_for(make_ear: MakeEar, committed_world: World) -> None:
    ear = make_ear()
    start = ear.hello()
    pause_agent(agent=committed_world.scout, actor=TESTS)
    activate_agent(agent=committed_world.scout, actor=TESTS)
    heard = [ear.until("change"), ear.until("change")]
    ear.say(type="since", revision=start)
    assert [ear.until("change"), ear.until("change")] == heard


def test_what_is_not_kept_any_more_means_to_start_anew(
    make_ear: MakeEar, committed_world: World
) -> None:
    ear = make_ear()
    start = ear.hello()
    for n in range(2):
        push_directive(agent=committed_world.scout, content=f"Text {n}", actor=TESTS)
    with connection.cursor() as cursor:
        cursor.execute("SELECT ibex_control_purge(interval '0')")
    ear.say(type="since", revision=start)
    assert ear.until("reset")["revision"] == start + 2
    for elsewhere in (start + 1000, -1):
        ear.say(type="since", revision=elsewhere)
        assert ear.until("reset")["revision"] == start + 2


def test_acknowledgements_say_who_runs_which_version(
    make_ear: MakeEar, committed_world: World
) -> None:
    world, ear, idle = committed_world, make_ear(), make_ear()
    start = ear.hello()
    idle.hello("proxy-b")
    version = push_directive(agent=world.scout, content="Be brief.", actor=TESTS)
    assert ear.until("change")["revision"] == start + 1
    ear.say(type="ack", revision=start + 1)
    ear.say(type="ack", revision=start + 1)

    def acknowledged() -> list[tuple[str, int]]:
        with tenant(world.acme):
            rows = Acknowledgement.objects.filter(version=version)
            return [(row.proxy_name, row.revision) for row in rows]

    assert eventually(acknowledged) == [("proxy-a", start + 1)]
    assert Proxy.objects.get(pk=ear.id).revision == start + 1
    assert Proxy.objects.get(pk=idle.id).revision == start
    with tenant(world.elsewhere):
        assert not Acknowledgement.objects.exists()


def test_a_proxy_that_leaves_is_seen_to_leave(make_ear: MakeEar, committed_world: World) -> None:
    ear = make_ear()
    ear.hello()
    assert Proxy.objects.get(pk=ear.id).left_at is None
    ear.socket.close()
    eventually(lambda: Proxy.objects.get(pk=ear.id).left_at)


@pytest.mark.parametrize(
    "message",
    [
        "no json",
        "[]",
        "{}",
        '{"type": "ack", "revision": 1}',
        '{"type": "hello", "proxy": "nobody", "name": "x"}',
        '{"type": "dance"}',
    ],
)
def test_what_is_not_understood_ends_the_connection(make_ear: MakeEar, message: str) -> None:
    ear = make_ear()
    ear.socket.send(message)
    with pytest.raises(ConnectionClosed) as closed:
        ear.next()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4400
