"""A worker that hangs though its stores answer is ended, so that it is started anew."""

import threading
import time

import pytest

from ibex import watchdog
from ibex.health import Health


async def fine() -> None:
    return


async def silent() -> None:
    raise TimeoutError


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(watchdog, "GRACE_S", 0.1)


def ended(postgres: object, redis: object, dispatcher: object, *, within_s: float) -> list[int]:
    codes: list[int] = []
    done = threading.Event()
    checks = {"postgres": postgres, "redis": redis, "dispatcher": dispatcher}

    def end(code: int) -> None:
        codes.append(code)
        done.set()

    watchdog.watch(Health(critical=checks), end)  # type: ignore[arg-type]
    done.wait(within_s)
    return codes


def test_a_silent_dispatcher_ends_the_worker_after_its_grace() -> None:
    began = time.monotonic()
    assert ended(fine, fine, silent, within_s=10) == [watchdog.EXIT_CODE]
    assert time.monotonic() - began >= 0.1


@pytest.mark.parametrize(
    ("postgres", "redis", "dispatcher"),
    [(silent, fine, silent), (fine, silent, silent), (fine, fine, fine)],
)
def test_a_worker_that_works_or_waits_for_a_store_is_left_alone(
    postgres: object, redis: object, dispatcher: object
) -> None:
    assert ended(postgres, redis, dispatcher, within_s=0.5) == []
