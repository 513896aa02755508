"""Whatever becomes of the messages on their way, a proxy serves and reports what is true.

One proxy's end of the channel and its cache, against a consumer that speaks the protocol, on a
clock of their own: thousands of pushes, whose every message may be lost, doubled or late.
"""

import random
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from proxy import control
from proxy.control import SILENCE_S, ControlChannel
from proxy.store import Route, RouteLookup

TICK_S = 0.05
BEAT_TICKS = 20
SECONDS = 30
SEEDS = 100
ORG, AGENT, OTHER, TOKEN = (UUID(int=number) for number in range(4))
LOOKUP: RouteLookup = (b"digest", AGENT, None, None, None)
KINDS = ("welcome", "reset", "change", "revision")

Message = dict[str, Any]


def route(version: int) -> Route:
    """What a proxy reads of its caller while a version is active."""
    fields: dict[str, Any] = dict.fromkeys(Route.__dataclass_fields__)
    ids = {"token_id": TOKEN, "org_id": ORG, "agent_id": AGENT}
    return Route(**{**fields, **ids, "directive_version": version})


class Consumer:
    """The consumer and its database: a revision for each change, some of them pushes."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self.versions: list[int] = [0]
        """The active version at each revision."""

    @property
    def revision(self) -> int:
        return len(self.versions) - 1

    @property
    def active(self) -> int:
        return self.versions[-1]

    def change(self) -> Message:
        """Push, or change another agent."""
        is_push = self._dice.random() < 0.7
        self.versions.append(self.active + is_push)
        return self._message(self.revision, AGENT if is_push else OTHER)

    def since(self, revision: int) -> list[Message]:
        """Repeat what was missed, or have the proxy start anew."""
        if revision < 0 or revision > self.revision or self._dice.random() < 0.2:
            return [{"type": "reset", "revision": self.revision}]
        known = self.versions[revision]
        told = []
        for number in range(revision + 1, self.revision + 1):
            told.append(self._message(number, OTHER if self.versions[number] == known else AGENT))
            known = self.versions[number]
        return told

    def _message(self, revision: int, target: UUID) -> Message:
        return {"type": "change", "revision": revision, "kind": "directive", "target": str(target)}


class Line:
    """Loses, doubles and holds back messages of every kind; what is late comes with a later one."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._held: list[Message] = []
        self.is_honest = False
        self.done = {(kind, fate): 0 for kind in KINDS for fate in ("lost", "late", "doubled")}

    def carry(self, said: Message) -> list[Message]:
        if self.is_honest:
            return [said]
        roll = self._dice.random()
        fate = "lost" if roll < 0.25 else "late" if roll < 0.45 else "doubled"
        if roll < 0.7:
            self.done[said["type"], fate] += 1
        if fate == "lost":
            return []
        if fate == "late":
            self._held.append(said)
            return []
        arrived, self._held = [said, *self._held], []
        if roll < 0.7:
            arrived.append(said)
        self._dice.shuffle(arrived)
        return arrived

    def cut(self) -> None:
        self._held = []


class Run:
    """One proxy, on a clock that this moves; every answer of it is checked."""

    def __init__(self, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.dice = random.Random(seed)  # noqa: S311 - a run that can be repeated
        self.now = 100.0
        monkeypatch.setattr(control.time, "monotonic", lambda: self.now)
        self.channel = ControlChannel("", "", "proxy-under-test")
        self.consumer, self.line = Consumer(self.dice), Line(self.dice)
        self.committed_at = {0: 0.0}
        self.reported = 0
        self.served = 0
        self.kept = 0
        self.reading: list[tuple[Route, int]] = []

    def tick(self, number: int) -> None:
        """Let some of everything happen, then ask the proxy."""
        self.now += TICK_S
        if self.dice.random() < 0.1:
            before = self.consumer.active
            change = self.consumer.change()
            if self.consumer.active > before:
                self.committed_at[self.consumer.active] = self.now
            self.tell(change)
        if number % BEAT_TICKS == 0:
            self.tell({"type": "revision", "revision": self.consumer.revision})
        if self.dice.random() < 0.005:
            self.reconnect()
        self.ask()

    def reconnect(self) -> None:
        self.channel.disconnected()
        self.line.cut()
        self.tell({"type": "welcome", "revision": self.consumer.revision})

    def tell(self, said: Message) -> None:
        """Carry one message, and what the proxy asks and is answered because of it."""
        for message in self.line.carry(said):
            answer = self.channel.hear(message)
            if answer is None:
                continue
            if answer["type"] == "ack":
                self.report(answer["revision"])
            else:
                for missed in self.consumer.since(answer["revision"]):
                    self.tell(missed)

    def report(self, revision: int) -> None:
        assert revision <= self.consumer.revision  # it never runs what is not there yet
        self.reported = max(self.reported, self.consumer.versions[revision])

    def ask(self) -> None:
        """Serve one request as the proxy does, and hold the answer against the truth."""
        if self.reading:  # begun before the messages that have come since
            self.channel.routes.keep(LOOKUP, *self.reading.pop())
        found = self.channel.routes.find(LOOKUP)
        if found is None:
            found = route(self.consumer.active)
            self.reading.append((found, self.channel.generation))
        else:
            self.kept += 1
        version = found.directive_version
        assert version is not None
        self.check(version)

    def check(self, version: int) -> None:
        """It was active since the proxy was last sure of it; none comes back, or after a report."""
        assert version <= self.consumer.active
        if version < self.consumer.active:
            assert self.now - self.committed_at[version + 1] <= SILENCE_S + TICK_S
        assert version >= self.reported
        assert version >= self.served
        self.served = version


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    return (Run(seed, monkeypatch) for seed in range(SEEDS))


def test_no_version_is_served_or_reported_that_was_not_active(runs: Iterator[Run]) -> None:
    done: dict[tuple[str, str], int] = {}
    kept = 0
    for run in runs:
        run.reconnect()
        for number in range(int(SECONDS / TICK_S)):
            run.tick(number)
        assert run.reported > 0
        kept += run.kept
        done = {one: done.get(one, 0) + count for one, count in run.line.done.items()}
    assert kept > 1000  # of these many answers it was the cache that was right
    assert all(count > 20 for count in done.values()), done


def test_the_cache_is_trusted_again_two_seconds_after_the_last_lost_message(
    runs: Iterator[Run],
) -> None:
    for run in runs:
        for number in range(int(SECONDS / TICK_S / 4)):
            run.tick(number)
        run.line.is_honest = True
        began = run.now
        for number in range(int(SILENCE_S / TICK_S)):
            run.tick(number)
        assert run.channel.is_live
        assert run.now - began <= SILENCE_S + TICK_S
        run.tell({"type": "revision", "revision": run.consumer.revision})
        assert run.reported == run.consumer.active


@pytest.mark.parametrize("first", ["revision", "change"])
def test_a_lost_welcome_is_asked_for(first: str) -> None:
    channel = ControlChannel("", "", "proxy-under-test")
    said = {"type": first, "revision": 7, "kind": "directive", "target": str(AGENT)}
    assert channel.hear(said) == {"type": "since", "revision": -1}
    assert not channel.is_live
    assert channel.hear({"type": "reset", "revision": 7}) == {"type": "ack", "revision": 7}
    assert channel.is_live


def test_what_was_kept_before_a_silence_is_not_trusted_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A beat that was stuck on its way, in order, tells of a time before the silence."""
    clock = [100.0]
    monkeypatch.setattr(control.time, "monotonic", lambda: clock[0])
    channel = ControlChannel("", "", "proxy-under-test")
    channel.hear({"type": "welcome", "revision": 5})
    channel.routes.keep(LOOKUP, route(1), channel.generation)
    channel.hear({"type": "revision", "revision": 5})
    assert channel.routes.find(LOOKUP) is not None
    clock[0] += SILENCE_S + 0.1
    assert channel.routes.find(LOOKUP) is None
    generation = channel.generation
    channel.hear({"type": "revision", "revision": 5})
    assert channel.is_live
    assert channel.routes.find(LOOKUP) is None
    channel.routes.keep(LOOKUP, route(1), generation)  # read during the silence
    assert channel.routes.find(LOOKUP) is None
    channel.routes.keep(LOOKUP, route(2), channel.generation)
    assert channel.routes.find(LOOKUP) is not None


@pytest.mark.parametrize("kind", ["welcome", "reset"])
def test_starting_anew_forgets_what_was_kept(kind: str) -> None:
    channel = ControlChannel("", "", "proxy-under-test")
    channel.hear({"type": "welcome", "revision": 5})
    channel.routes.keep(LOOKUP, route(1), channel.generation)
    assert channel.routes.find(LOOKUP) is not None
    assert channel.hear({"type": kind, "revision": 6}) == {"type": "ack", "revision": 6}
    assert channel.is_live
    assert channel.routes.find(LOOKUP) is None


def test_a_database_that_went_back_is_believed() -> None:
    """A restore from a backup turns the clock back; what was kept is of another history."""
    channel = ControlChannel("", "", "proxy-under-test")
    channel.hear({"type": "welcome", "revision": 9})
    channel.routes.keep(LOOKUP, route(3), channel.generation)
    assert channel.routes.find(LOOKUP) is not None
    assert channel.hear({"type": "revision", "revision": 4}) == {"type": "since", "revision": 9}
    assert channel.routes.find(LOOKUP) is None
    channel.hear({"type": "reset", "revision": 4})
    assert channel.is_live
    assert len(channel.routes) == 0
