"""A proxy keeps what it read while it hears of every change, and never runs an old one."""

import itertools
import random
import time
from typing import TYPE_CHECKING, Any

import openai
from django.utils import timezone

from agents.services import activate_agent, pause_agent
from control.models import Acknowledgement
from directives.services import push_directive
from ibex.tenancy import tenant
from orgs.models import Organization, Token
from orgs.permissions import ALL
from orgs.rotation import rotate_token
from orgs.services import revoke_token
from tests.conftest import TESTS
from tests.control.conftest import eventually
from tests.proxy.conftest import Talker, say
from tests.proxy.listening import (
    STALE_S,
    Relay,
    Witness,
    api,
    connected,
    counted,
    own_redis_url,
    relay,
    talker,
    until_kept,
    version_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["api", "connected", "own_redis_url", "relay", "talker"]


def test_a_caller_is_read_once_and_then_kept(talker: Talker) -> None:
    until_kept(talker)
    before = counted(talker.proxy, "read")
    for _ in range(5):
        version_of(talker)
    assert counted(talker.proxy, "read") == before


def test_a_named_session_is_kept_from_its_second_request_on(talker: Talker) -> None:
    until_kept(talker)
    client = talker.client(**{"X-IBEX-Session-ID": "one"})
    for text in ("a", "b", "c", "d"):
        client.chat.completions.create(model="m", messages=say(text))
    before = counted(talker.proxy, "read")
    client.chat.completions.create(model="m", messages=say("e"))
    assert counted(talker.proxy, "read") == before
    (session,) = [row for row in talker.sessions() if row["external_id"] == "one"]
    assert session["turn_count"] == 5


def test_a_pushed_directive_is_used_and_acknowledged(talker: Talker) -> None:
    until_kept(talker)
    for number in (1, 2, 3):
        version = push_directive(agent=talker.world.scout, content=f"V{number}", actor=TESTS)

        def acknowledged(pk: Any = version.pk) -> bool:
            with tenant(talker.world.acme):
                return Acknowledgement.objects.filter(
                    version=pk, proxy_name="proxy-under-test"
                ).exists()

        eventually(acknowledged)
        assert version_of(talker) == str(number)


def test_a_revoked_token_is_refused_at_once(talker: Talker) -> None:
    until_kept(talker)
    revoke_token(token=talker.world.token_row(talker.token), actor=TESTS)
    eventually(lambda: status_of(talker) == 401, STALE_S)


def test_a_rotated_token_hands_over_to_the_new_one(talker: Talker) -> None:
    until_kept(talker)
    old = talker.world.token_row(talker.token)
    _new, secret = rotate_token(token=old, grace="1h", actor=TESTS, held=ALL)
    assert status_of(talker) == 200
    with tenant(talker.world.acme):  # the hour is over
        Token.objects.filter(pk=old.pk).update(expires_at=timezone.now())
    eventually(lambda: status_of(talker) == 401, STALE_S)
    talker.token = secret
    assert status_of(talker) == 200
    rotate_token(token=talker.world.token_row(secret), grace="now", actor=TESTS, held=ALL)
    eventually(lambda: status_of(talker) == 401, STALE_S)


def test_a_paused_agent_and_a_suspended_org_are_refused_at_once(talker: Talker) -> None:
    until_kept(talker)
    pause_agent(agent=talker.world.scout, actor=TESTS)
    eventually(lambda: status_of(talker) == 403, STALE_S)
    activate_agent(agent=talker.world.scout, actor=TESTS)
    eventually(lambda: status_of(talker) == 200, STALE_S)
    with tenant(talker.world.acme):
        Organization.objects.filter(pk=talker.world.acme.pk).update(status="suspended")
    eventually(lambda: status_of(talker) == 403, STALE_S)


def status_of(talker: Talker) -> int:
    try:
        version_of(talker)
    except openai.APIStatusError as error:
        return error.status_code
    return 200


def test_with_the_socket_cut_every_request_reads(talker: Talker, relay: Relay) -> None:
    until_kept(talker)
    relay.hang_up()
    push_directive(agent=talker.world.scout, content="While cut", actor=TESTS)
    eventually(lambda: version_of(talker) == "1", STALE_S)
    for number in (2, 3):
        push_directive(agent=talker.world.scout, content=f"V{number}", actor=TESTS)
        assert version_of(talker) == str(number)  # there is no cache to trust
    relay.cut = False
    until_kept(talker)
    assert version_of(talker) == "3"


def test_a_silent_consumer_is_not_trusted(talker: Talker, relay: Relay) -> None:
    push_directive(agent=talker.world.scout, content="Heard", actor=TESTS)
    until_kept(talker)
    with Witness(talker) as witness:
        eventually(lambda: witness.answers)
        relay.mischief = lambda _said: []
        silent_from = time.time()
        assert witness.push() == 2
        assert witness.until_served(2).began - silent_from <= STALE_S + 1
    witness.check()


FATES = ("lost", "late", "doubled", "as it is")


class Mischief:
    """Gives the messages of each kind every fate in turn; what is late comes with a later one."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)  # noqa: S311 - mischief that can be repeated
        self._fates: dict[str, Iterator[str]] = {}
        self._held: list[dict[str, Any]] = []
        self.done: set[tuple[str, str]] = set()

    def __call__(self, said: dict[str, Any]) -> list[dict[str, Any]]:
        kind = said["type"]
        if kind not in self._fates:
            self._fates[kind] = itertools.cycle(self._dice.sample(FATES, len(FATES)))
        fate = next(self._fates[kind])
        self.done.add((kind, fate))
        if fate == "lost":
            return []
        if fate == "late":
            self._held.append(said)
            return []
        arrived, self._held = [said, *self._held], []
        if fate == "doubled":
            arrived.append(said)
        self._dice.shuffle(arrived)
        return arrived

    @property
    def is_complete(self) -> bool:
        kinds = ("welcome", "reset", "change", "revision")
        return {(kind, fate) for kind in kinds for fate in FATES} <= self.done


def test_messages_of_every_kind_lost_doubled_and_late_never_leave_an_old_version(
    talker: Talker, relay: Relay
) -> None:
    push_directive(agent=talker.world.scout, content="Heard", actor=TESTS)
    until_kept(talker)
    mischief = relay.mischief = Mischief(seed=7)
    with Witness(talker) as witness:
        for turn in range(60):
            if turn % 3 == 0:  # or no welcome would ever be said
                relay.hang_up()
                relay.cut, cut_at = False, time.time()
                eventually(lambda at=cut_at: relay.accepted_at[-1] > at)  # type: ignore[misc]
            number = witness.push()
            assert witness.until_served(number).began - witness.pushed_at[number] <= STALE_S + 1
            if mischief.is_complete:
                break
        assert mischief.is_complete, mischief.done
        relay.mischief = lambda said: [said]
        until_kept(talker)
    witness.check()
    assert version_of(talker) == str(number)
