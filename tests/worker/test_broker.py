"""A worker goes on consuming though Redis went away while it acknowledged."""

from typing import Any

import pytest
from kombu.transport import redis

from ibex.broker import PatientConnection, SureQoS, SureTransport


class Gone:
    """A pipeline whose Redis has gone."""

    def execute(self) -> None:
        raise ConnectionError


def prefetched(qos: type[redis.QoS], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make the only prefetched message one that cannot be acknowledged."""
    monkeypatch.setattr(qos, "_remove_from_indices", lambda *_args: Gone())
    made = qos(None, prefetch_count=1)
    made._on_collect.cancel()
    made._quick_append("tag", "message")
    assert not made.can_consume()
    return made


@pytest.mark.parametrize("method", ["ack", "reject"])
def test_a_failed_acknowledgement_gives_its_place_back(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    qos = prefetched(SureQoS, monkeypatch)
    with pytest.raises(ConnectionError):
        getattr(qos, method)("tag")
    assert qos.can_consume()


def test_kombu_alone_would_lose_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """When this fails, kombu has learned it, and `SureQoS` can go."""
    qos = prefetched(redis.QoS, monkeypatch)
    with pytest.raises(ConnectionError):
        qos.ack("tag")
    assert not qos.can_consume()


def test_only_redis_is_replaced() -> None:
    assert PatientConnection("redis://localhost").get_transport_cls() is SureTransport
    assert PatientConnection("memory://").get_transport_cls() is not SureTransport
