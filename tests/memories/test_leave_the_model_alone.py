"""A provider that is away is asked by one at a time, later and later; one that dawdles not long."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest
import redis
from django.utils import timezone

from ibex.tenancy import tenant
from memories.extraction import ExtractionPaused, ExtractionUnavailable, get_extractor
from memories.extraction.outage import FIRST
from memories.learning import steps
from memories.learning.dead_letters import retry_dead_letter
from memories.learning.steps import learn_from_dead_letter
from memories.models import Memory, Passage
from sessions.models import Session
from tests.conftest import TESTS, World
from tests.memories.model import (
    MODEL,
    ModelPeer,
    Reply,
    answered_somebody,
    fact,
    outage,
    told,
)
from tests.memories.test_dead_letters import again, fail
from tests.memories.test_extract_by_llm import learn, records, turn
from tests.processes import free_port
from tests.sessions.turns import make_session, record_turn
from tests.worker.conftest import (
    MakeWorker,
    broker_url,
    make_worker,
    nothing_else_is_due,
    wait_until,
)

__all__ = ["broker_url", "make_worker", "nothing_else_is_due"]

pytestmark = pytest.mark.usefixtures("no_embedding")

DOWN = Reply(status=503)
TEA = told(fact("The user likes tea."))
TRICKLE_S = 4


def said(world: World, text: str = "I like tea.") -> Session:
    session = make_session(world.scout)
    record_turn(session, text)
    return session


def wait_of(session: Session) -> float:
    with tenant(session.org_id):
        row = Session.objects.get(pk=session.pk)
    assert row.extract_claimed_until is not None
    return float((row.extract_claimed_until - timezone.now()).total_seconds())


def pause_over(redis_url: str) -> None:
    """Let the pause's time pass."""
    with closing(redis.Redis.from_url(redis_url)) as store:
        assert store.delete(outage()._pause) == 1


def test_while_the_provider_is_away_others_do_not_ask_for_themselves(
    world: World, model: ModelPeer
) -> None:
    first, *others = [said(world) for _ in range(4)]
    model.will(*[DOWN] * 9)
    learn(first)
    for session in others:
        waiting = learn(session)
        assert (waiting.extract_attempts, waiting.extracted_through) == (0, -1)
        assert waiting.extract_after is not None
        assert wait_of(session) <= FIRST.total_seconds()
    assert len(model.asked) == 1
    assert [row[0] for row in records(world)] == ["unavailable"]
    with tenant(world.acme):  # what was said can be found all the same
        assert Passage.objects.filter(status="searchable", part=0).count() == 4


def test_what_is_put_off_again_is_not_read_again(
    world: World, model: ModelPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = said(world)
    model.will(DOWN)
    learn(said(world))
    learn(session)
    with monkeypatch.context() as patched:
        patched.setattr(steps, "index_turns", pytest.fail)
        assert learn(session).extract_attempts == 0
        assert wait_of(session) <= FIRST.total_seconds()
    record_turn(session, "I like coffee.")
    learn(session)
    with tenant(world.acme):
        assert Passage.objects.filter(session=session, part=0).count() == 2
    assert len(model.asked) == 1


def test_switched_off_a_pause_holds_up_nothing(world: World, model: ModelPeer) -> None:
    session = said(world)
    model.will(DOWN)
    learn(said(world))
    assert learn(session).extract_after is not None
    with tenant(world.acme):
        type(world.scout).objects.update(extraction_enabled=False)
    assert learn(session).extract_after is None


def test_the_pause_doubles_up_to_a_minute_and_one_call_ends_it(
    world: World, model: ModelPeer, redis_url: str
) -> None:
    first, second, third = (said(world) for _ in range(3))
    model.will(*[DOWN] * 7, TEA)
    learn(first)
    assert wait_of(first) == pytest.approx(60, abs=5)
    waits = []
    for _failure in range(6):
        pause_over(redis_url)
        learn(second)
        waits.append(wait_of(second))
        learn(third)
        assert wait_of(third) <= waits[-1] + 1
    assert waits == pytest.approx([4, 8, 16, 32, 60, 60], abs=1.5)
    assert len(model.asked) == 7
    pause_over(redis_url)
    for session in (second, third, first):
        assert learn(session).extract_after is None
    assert len(model.asked) == 10
    with tenant(world.acme):
        assert Memory.objects.filter(content="The user likes tea.").count() == 1


def test_when_the_pause_is_over_one_probe_gets_through(
    world: World, model: ModelPeer, redis_url: str
) -> None:
    session = said(world)
    model.will(DOWN, TEA)
    learn(said(world))
    pause_over(redis_url)
    with outage().watch():
        learn(session)
        assert wait_of(session) <= FIRST.total_seconds()
        assert len(model.asked) == 1
    assert learn(session).extract_after is None


def test_an_answer_that_cannot_be_used_is_an_answer(
    world: World, model: ModelPeer, redis_url: str
) -> None:
    model.will(DOWN, Reply("nonsense"), Reply("nonsense"), TEA)
    learn(said(world))
    pause_over(redis_url)
    learn(said(world))
    assert learn(said(world)).extract_after is None
    assert len(model.asked) == 4


def test_who_fails_alone_waits_longer_each_time(world: World, model: ModelPeer) -> None:
    """The provider answers others in between: there is no outage, these turns are too much."""
    session = said(world)
    model.will(*[DOWN] * 3)
    waits = []
    for _failure in range(3):
        learn(session)
        waits.append(round(wait_of(session), -1))
        answered_somebody()
    assert waits == [60, 120, 240]


def test_without_redis_there_is_no_pause(world: World, model: ModelPeer, settings: object) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"  # type: ignore[attr-defined]
    get_extractor.cache_clear()
    session, other = said(world), said(world)
    model.will(DOWN, DOWN, DOWN, TEA)
    assert learn(session).extract_attempts == 1
    assert learn(session).extract_attempts == 2
    assert wait_of(session) == pytest.approx(120, abs=5)
    learn(other)
    assert wait_of(other) == pytest.approx(60, abs=5)
    assert learn(other).extract_after is None
    assert len(model.asked) == 4


def test_another_provider_is_asked_at_once(
    world: World, model: ModelPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = said(world)
    model.will(DOWN, TEA)
    learn(said(world))
    learn(session)
    assert len(model.asked) == 1
    monkeypatch.setenv("IBEX_EXTRACTOR_API_KEY", "a-better-key")
    get_extractor.cache_clear()
    assert learn(session).extract_after is None


def test_dead_letters_are_put_off_too(world: World, model: ModelPeer, redis_url: str) -> None:
    letter = fail(world, model)
    retry_dead_letter(dead_letter=letter, actor=TESTS)
    model.will(DOWN, TEA)
    learn(said(world))
    learn_from_dead_letter(org_id=letter.org_id, dead_letter_id=letter.pk)
    waiting = again(letter)
    assert (waiting.attempts, waiting.retry_after is None) == (1, False)
    assert (waiting.claimed_until - timezone.now()).total_seconds() <= FIRST.total_seconds()
    assert len(model.asked) == 1
    pause_over(redis_url)
    learn_from_dead_letter(org_id=letter.org_id, dead_letter_id=letter.pk)
    assert (again(letter).attempts, again(letter).resolved_at is None) == (2, False)


def test_after_an_outage_everything_is_learned_soon(
    committed_world: World, make_worker: MakeWorker
) -> None:
    """All but the one that found the provider away; that one waits for its lease of a minute."""
    world, number = committed_world, 12
    for _session in range(number):
        said(world)
    peer = ModelPeer()
    peer.will()
    worker = make_worker(
        IBEX_EXTRACTOR="llm",
        IBEX_EXTRACTOR_BASE_URL=peer.base_url,
        IBEX_EXTRACTOR_API_KEY="a-key",
        IBEX_EXTRACTOR_MODEL=MODEL,
        IBEX_WORKER_LEASE_S="60",
    )
    worker.start()
    wait_until(lambda: "extractor left alone" in worker.log.read_text())
    peer.start()

    def learned() -> bool:
        with tenant(world.acme):
            return Session.objects.filter(extract_after=None).count() >= number - 1

    wait_until(learned, 45)
    assert "extractor back" in worker.log.read_text()
    assert len(peer.asked) < 2 * number
    peer.stop()


class Dawdler:
    """Answers rightly, but a byte at a time: no wait for the next one is ever long."""

    def __init__(self, *, dawdles_from: int) -> None:
        message = {"role": "assistant", "content": '{"memories": []}'}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        body = json.dumps({"choices": [choice]}).encode()
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        self.answer = head % len(body) + body
        self.dawdles_from = dawdles_from
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.gone = threading.Event()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}/v1"

    def serve(self) -> None:
        client, _address = self.listener.accept()
        with client, suppress(OSError):
            client.recv(65_536)
            client.sendall(self.answer[: self.dawdles_from])
            rest = self.answer[self.dawdles_from :]
            for byte in rest:
                client.sendall(bytes([byte]))
                self.gone.wait(TRICKLE_S / len(rest))


@pytest.fixture(params=["head", "body"])
def dawdler(request: pytest.FixtureRequest) -> Iterator[Dawdler]:
    server = Dawdler(dawdles_from=10 if request.param == "head" else 90)
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield server
    server.gone.set()
    server.listener.close()
    thread.join(5)


def test_a_call_has_its_time_altogether(
    model: ModelPeer, dawdler: Dawdler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IBEX_EXTRACTOR_BASE_URL", dawdler.base_url)
    monkeypatch.setenv("IBEX_EXTRACTOR_TIMEOUT_S", "0.5")
    get_extractor.cache_clear()
    with pytest.raises(ExtractionUnavailable, match="no answer in time"):
        get_extractor().extract([turn()])
    with pytest.raises(ExtractionPaused):
        get_extractor().extract([turn()])
