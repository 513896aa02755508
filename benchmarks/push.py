"""A directive on its way to proxies: three of them, 200 pushes, while chat runs at 50 requests/s.

A push's latency counts from before the service that writes it is called until the last proxy has
acknowledged that it runs the version; once more from the commit.
"""

import asyncio
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.load import Result, Target, constant_rate
from benchmarks.proxy import PATH, body
from benchmarks.stage import Stage, caller, make_agent, stage
from benchmarks.stats import summary

PROXIES = 3
PUSHES = 200
PAUSE_S = 0.1
CHAT_PER_SECOND = 50
KEPT = 0.98
"""The part of that rate that must have been answered."""
WARM_UP_S = 1.0
PATIENCE_S = 30


def measure(*, seconds: float) -> dict[str, Any]:  # noqa: ARG001 - counts, not time, bound it
    """Measure all pushes, and the chat beside them."""
    with stage() as ready:
        agent, token = make_agent(memory_enabled=False)
        ready.start("ibex.serve", "api")
        ports = [_start_proxy(ready, number) for number in range(PROXIES)]
        try:
            _until_connected()
            chat = _Chat([Target(port, PATH, caller(agent, token), body) for port in ports])
            chat.start()
            try:
                pushes = [_push(agent, number) for number in range(PUSHES)]
            finally:
                chat.stop()
        finally:
            for process in ready.extra:
                process.stop()
        return {
            "pushes_from_the_call": summary([one[0] for one in pushes]),
            "pushes_from_the_commit": summary([one[1] for one in pushes]),
            "chat_beside_them": chat.summary(),
            "proxies": PROXIES,
        }


def _start_proxy(ready: Stage, number: int) -> int:
    from tests.processes import ServerProcess, free_offset  # noqa: PLC0415 - after Django is set up

    offset = free_offset("proxy")
    env = {
        **ready.env,
        "IBEX_PORT_OFFSET": str(offset),
        "IBEX_PROXY_NAME": f"proxy-{number}",
        "IBEX_SPOOL_DIR": str(Path(ready.folder) / f"spool-{number}"),
    }
    log = ready.folder / f"proxy-{number}.log"
    process = ServerProcess("proxy", env=env, port=8080 + offset, log=log)
    ready.extra.append(process.start(path="/readyz", timeout_s=120))
    return process.port


def _until_connected() -> None:
    from control.models import Proxy  # noqa: PLC0415

    _until(lambda: Proxy.objects.filter(left_at=None).count() == PROXIES)


def _push(agent: Any, number: int) -> tuple[float, float]:
    """Push once; return the milliseconds until the last acknowledgement, from call and commit."""
    from control.models import Acknowledgement  # noqa: PLC0415
    from directives.services import push_directive  # noqa: PLC0415
    from ibex.tenancy import tenant  # noqa: PLC0415
    from orgs.audit import Actor  # noqa: PLC0415

    called = time.time()
    version = push_directive(
        agent=agent, content=f"Directive number {number}.", actor=Actor.system("benchmark")
    )
    committed = time.time()

    def acknowledged() -> list[float]:
        with tenant(agent.org_id):
            rows = Acknowledgement.objects.filter(version=version)
            found = [row.at.timestamp() for row in rows]
        return found if len(found) == PROXIES else []

    last = max(_until(acknowledged))
    time.sleep(PAUSE_S)
    return (last - called) * 1000, max(0.0, last - committed) * 1000


def _until(condition: Any) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.005)
    return found


class _Chat:
    """Requests to all proxies at one rate, in a thread, until it is stopped."""

    def __init__(self, targets: list[Target]) -> None:
        self._targets = targets
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._results: list[Result] = []

    def start(self) -> None:
        """Begin, and let a second pass: connections and caches are warm before the first push."""
        self._thread.start()
        time.sleep(WARM_UP_S)

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def summary(self) -> dict[str, Any]:
        """Say what was answered; refuse a chat that did not keep its rate."""
        latencies = [ms for result in self._results for ms in result.latencies_ms]
        statuses = sum((result.statuses for result in self._results), Counter[int]())
        rate = sum(len(one.latencies_ms) / one.seconds for one in self._results)
        if set(statuses) != {200} or rate < CHAT_PER_SECOND * KEPT:
            raise RuntimeError(f"{rate:.1f} requests/s were answered, with {dict(statuses)}")
        return {**summary(latencies), "per_second": round(rate, 1), "statuses": dict(statuses)}

    async def _run(self) -> None:
        each = CHAT_PER_SECOND / len(self._targets)
        rates = (
            constant_rate(one, per_second=each, is_over=self._stopping.is_set)
            for one in self._targets
        )
        self._results = list(await asyncio.gather(*rates))
