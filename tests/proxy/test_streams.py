"""Streams that end early, one way or the other, and what is kept of them."""

import http.client
import json
import time
import zlib
from collections.abc import Callable

import openai
import pytest

from tests.proxy.conftest import Talker, say
from tests.proxy.provider import ProviderPeer


def eventually(condition: Callable[[], object], timeout_s: float = 10) -> object:
    """Return the condition's first truthy value."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


def hang_up(talker: Talker, body: dict[str, object], *, after_bytes: int) -> None:
    """Send a request, read a little of the answer and close the connection."""
    connection = http.client.HTTPConnection("127.0.0.1", talker.proxy.port, timeout=10)
    headers = {
        "Authorization": f"Bearer {talker.token}",
        "X-IBEX-Agent-ID": str(talker.world.scout.pk),
        "Content-Type": "application/json",
    }
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    if after_bytes:
        connection.getresponse().read(after_bytes)
    else:
        time.sleep(0.4)
    assert connection.sock is not None
    connection.sock.close()
    connection.close()


def test_a_client_that_leaves_a_stream_stops_the_provider(
    talker: Talker, provider: ProviderPeer
) -> None:
    provider.reset(chunks=200, chunk_delay_s=0.05)
    hang_up(talker, {"model": "m", "messages": say("Tell me"), "stream": True}, after_bytes=300)
    eventually(lambda: provider.behaviour.cancelled)
    (turn,) = eventually(talker.turns)  # type: ignore[misc]
    assert (turn["is_complete"], turn["usage_estimated"]) == (False, True)
    assert b"Noted. 0" in zlib.decompress(turn["completion"])


def test_a_client_that_leaves_before_the_answer_stops_the_provider(
    talker: Talker, provider: ProviderPeer
) -> None:
    provider.reset(delay_s=3)
    hang_up(talker, {"model": "m", "messages": say("Tell me")}, after_bytes=0)
    eventually(lambda: provider.behaviour.cancelled, 2)
    (turn,) = eventually(talker.turns)  # type: ignore[misc]
    assert turn["is_complete"] is False


def test_a_provider_that_breaks_off_becomes_one_error_event(
    talker: Talker, provider: ProviderPeer
) -> None:
    provider.reset(break_after=2)
    stream = talker.client().chat.completions.create(model="m", messages=say("Hi"), stream=True)
    seen = []
    with pytest.raises(openai.APIError, match="broke off"):
        seen.extend(stream)
    assert len(seen) == 2
    (turn,) = talker.turns()
    assert turn["is_complete"] is False
    (record,) = talker.rows("SELECT * FROM analytics_requestrecord")
    assert record["error_code"] == "PROVIDER_ERROR"


def test_a_provider_without_a_done_event_is_whole_all_the_same(
    talker: Talker, provider: ProviderPeer
) -> None:
    provider.reset(done=False)
    chunks = list(
        talker.client().chat.completions.create(model="m", messages=say("Hi"), stream=True)
    )
    assert len(chunks) == 6
    assert [turn["is_complete"] for turn in talker.turns()] == [True]


def test_an_error_instead_of_a_stream_is_passed_on(talker: Talker, provider: ProviderPeer) -> None:
    provider.reset(status=422)
    with pytest.raises(openai.UnprocessableEntityError):
        talker.client().chat.completions.create(model="m", messages=say("Hi"), stream=True)


def test_a_streamed_turn_is_durable_before_its_end_arrives(talker: Talker) -> None:
    for n in range(20):
        list(
            talker.client(**{"X-IBEX-Session-ID": "s"}).chat.completions.create(
                model="m", messages=say(f"Hi {n}"), stream=True
            )
        )
        assert len(talker.turns()) == n + 1
