"""Of the learning queue a worker takes no more than may learn at once."""

from collections.abc import Iterator

import pytest
from celery.worker import state

from ibex.queues import EVERYTHING, LEARNING, has_place, processes


class Request:
    """A task that a worker has taken."""

    def __init__(self, queue: str) -> None:
        self.delivery_info = {"routing_key": queue}


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Request]]:
    """Let two learn at once; what a test takes is given back."""
    monkeypatch.setenv("IBEX_WORKER_CONCURRENCY", "2")
    requests = [Request(LEARNING), Request(LEARNING), Request(EVERYTHING)]
    yield requests
    for request in requests:
        state.reserved_requests.discard(request)
        state.active_requests.discard(request)


def test_learning_takes_its_places_and_never_the_last_process(taken: list[Request]) -> None:
    assert processes() == 3
    first, second, other = taken
    for request in (first, other):
        state.reserved_requests.add(request)
        assert has_place()
    state.reserved_requests.add(second)
    assert not has_place()
    state.reserved_requests.discard(first)
    assert has_place()


@pytest.mark.parametrize(("extractor", "wanted"), [("rules", 2), ("llm", 5)])
def test_how_many_learn_is_what_suits_the_extractor(
    monkeypatch: pytest.MonkeyPatch, extractor: str, wanted: int
) -> None:
    monkeypatch.setenv("IBEX_EXTRACTOR", extractor)
    for nobody_chose in ("0", None, "-3"):
        monkeypatch.delenv("IBEX_WORKER_CONCURRENCY", raising=False)
        if nobody_chose is not None:
            monkeypatch.setenv("IBEX_WORKER_CONCURRENCY", nobody_chose)
        assert processes() == wanted
    monkeypatch.setenv("IBEX_WORKER_CONCURRENCY", "7")
    assert processes() == 8


def test_what_still_runs_after_a_lost_connection_counts(taken: list[Request]) -> None:
    """Celery forgets what was reserved when it connects anew, and runs what it had begun."""
    for request in taken:
        state.reserved_requests.add(request)
        state.active_requests.add(request)
    state.reserved_requests.clear()
    assert not has_place()
    state.active_requests.discard(taken[0])
    assert has_place()
