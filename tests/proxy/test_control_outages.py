"""The socket cut, Redis killed, the consumer killed, each while a push happens: 2 s, no more.

The two seconds count from when the channel is back, that is, when the proxy is let in again or
Redis answers again, until the first answer with the directive that was pushed meanwhile.
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ibex.embedded.redis import Redis
from tests.control.conftest import eventually
from tests.processes import ServerProcess
from tests.proxy.conftest import Talker
from tests.proxy.listening import (
    STALE_S,
    Relay,
    Witness,
    api,
    connected,
    counted,
    relay,
    talker,
    until_kept,
)
from tests.proxy.provider import ProviderPeer

if TYPE_CHECKING:
    from ibex.embedded.processes import Process

__all__ = ["api", "connected", "relay", "talker"]


class OwnRedis:
    """A Redis that a test may kill."""

    def __init__(self, folder: Path) -> None:
        self.store = Redis(folder / "redis", log=folder / "redis.log")
        self._process: Process | None = None

    def start(self) -> "OwnRedis":
        self._process = self.store.launch()
        self.store.wait_ready(self._process)
        return self

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(timeout=20)


@pytest.fixture(scope="module")
def own_redis() -> Iterator[OwnRedis]:
    with tempfile.TemporaryDirectory(prefix="ibex-t-", dir="/tmp") as folder:
        redis = OwnRedis(Path(folder)).start()
        yield redis
        redis.kill()


@pytest.fixture(scope="module")
def proxy_env(database_url: str, own_redis: OwnRedis, provider: ProviderPeer) -> dict[str, str]:
    return {
        "IBEX_DATABASE_URL": database_url,
        "IBEX_REDIS_URL": own_redis.store.url,
        "IBEX_LLM_MODE": "live",
        "OPENAI_API_KEY": "sk-of-the-provider",
        "OPENAI_BASE_URL": provider.base_url,
        "IBEX_CONTEXT_ADDR": "127.0.0.1:1",
    }


@pytest.fixture(scope="module")
def own_redis_url(own_redis: OwnRedis) -> str:
    return own_redis.store.url


def until_let_in(relay: Relay, after: float) -> float:
    """Return when the proxy was let in again."""
    eventually(lambda: relay.accepted_at and relay.accepted_at[-1] > after, 60)
    return relay.accepted_at[-1]


def check_back(witness: Witness, talker: Talker, back: float, number: int) -> None:
    """From `back` on, within two seconds: `number` is served, and callers are kept again."""
    eventually(lambda: witness.answers[-1].began > back + STALE_S, 20)
    after = [one for one in witness.answers if one.began > back and one.version is not None]
    assert after[0].version == number
    assert after[0].began - back <= STALE_S
    kept = counted(talker.proxy, "kept")
    eventually(lambda: counted(talker.proxy, "kept") > kept, 1)  # 2 s are over: it is live
    following = witness.push()
    assert witness.until_served(following).began - witness.pushed_at[following] <= STALE_S
    witness.check()


@pytest.mark.parametrize("cut_for_s", [0.0, 4.0])
def test_a_cut_socket_leaves_no_old_version_two_seconds_after_it_is_back(
    talker: Talker, relay: Relay, cut_for_s: float
) -> None:
    with Witness(talker) as witness:
        witness.push()
        until_kept(talker)
        cut_at = time.time()
        relay.hang_up()
        number = witness.push()
        time.sleep(cut_for_s)
        relay.cut = False
        open_again = time.time()
        back = until_let_in(relay, cut_at)
        assert back - open_again <= STALE_S
        check_back(witness, talker, back, number)


def test_a_killed_redis_leaves_no_old_version_two_seconds_after_it_is_back(
    talker: Talker, own_redis: OwnRedis
) -> None:
    with Witness(talker) as witness:
        witness.push()
        until_kept(talker)
        own_redis.kill()
        eventually(lambda: witness.answers[-1].version is None)
        number = witness.push()
        time.sleep(1.0)
        own_redis.start()
        check_back(witness, talker, time.time(), number)


def test_a_killed_consumer_leaves_no_old_version_two_seconds_after_it_is_back(
    talker: Talker, relay: Relay, api: ServerProcess
) -> None:
    with Witness(talker) as witness:
        witness.push()
        until_kept(talker)
        killed_at = time.time()
        api.kill()
        first = witness.push()
        assert witness.until_served(first).began - killed_at <= STALE_S + 1
        number = witness.push()
        api.start()
        answers_again = time.time()
        back = until_let_in(relay, killed_at)
        assert back - answers_again <= STALE_S
        check_back(witness, talker, back, number)
