"""What happens after a conversation: learning and archiving, from the answer to `terminate` on.

Sessions of 20 turns are ended one after another, while the worker has nothing else to do; then
eight at once; then some while the worker gets `kill -9` and is started anew. Measured until the
last turn is learned from, and until the archive is written.
"""

import json
import os
import random
import signal
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

from benchmarks.proxy import PATH
from benchmarks.stage import Stage, caller, make_agent, stage
from benchmarks.stats import summary

RUNS = 12
TURNS = 20
AT_ONCE = 8
KILLS = 6
PATIENCE_S = 180
LOOK_EVERY_S = 0.02


def measure(*, seconds: float) -> dict[str, Any]:  # noqa: ARG001 - counts, not time, bound it
    """Measure sessions that end alone, and some that end together."""
    with stage() as ready:
        agent, token = make_agent()
        ready.start_all()
        alone = [_end_one(ready, agent, token) for _ in range(RUNS)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            together = list(pool.map(lambda _: _end_one(ready, agent, token), range(AT_ONCE)))
        killed = [_end_one(ready, agent, token, kill=True) for _ in range(KILLS)]
        return {
            name: {
                "learned": summary([one[0] for one in runs]),
                "archived": summary([one[1] for one in runs]),
            }
            for name, runs in (
                ("alone", alone),
                (f"{AT_ONCE}_at_once", together),
                ("worker_killed", killed),
            )
        }


def _end_one(ready: Stage, agent: Any, token: str, *, kill: bool = False) -> tuple[float, float]:
    """Talk, terminate, and return the milliseconds until it is learned from and archived.

    With `kill`, the worker gets `kill -9` within the first second and is started anew.
    """
    name = str(uuid4())
    headers = {**caller(agent, token), "x-ibex-session-id": name}
    base = f"http://127.0.0.1:{8080 + ready.offset}"
    for n in range(TURNS):
        text = f"Our service {name[:6]}-{n} uses the host db{n}.example.com."
        messages = [{"role": "user", "content": text}]
        _post(f"{base}{PATH}", headers, {"model": "gpt-4o-mini", "messages": messages})
    _post(f"{base}/v1/sessions/{name}/terminate", headers, {})
    ended = time.perf_counter()
    if kill:
        time.sleep(random.random())  # noqa: S311 - somewhere between completion and upload
        os.kill(ready.pid("ibex.worker"), signal.SIGKILL)
        ready.processes["ibex.worker"].stop()
        ready.start("ibex.worker")
    return _wait(agent, name, ended)


def _wait(agent: Any, name: str, began: float) -> tuple[float, float]:
    from django.db import close_old_connections  # noqa: PLC0415 - after Django is set up

    from ibex.tenancy import tenant  # noqa: PLC0415
    from sessions.models import Session  # noqa: PLC0415

    learned = archived = 0.0
    while not (learned and archived):
        if time.perf_counter() - began > PATIENCE_S:
            raise TimeoutError(name)
        with tenant(agent.org_id):
            session = Session.objects.get(agent=agent, external_id=name)
        passed = (time.perf_counter() - began) * 1000
        if not learned and session.extracted_through == TURNS - 1:
            learned = passed
        if not archived and session.archived_at:
            archived = passed
        time.sleep(LOOK_EVERY_S)
    close_old_connections()
    return learned, archived


def _post(url: str, headers: Any, body: dict[str, Any]) -> None:
    request = urllib.request.Request(url, json.dumps(body).encode(), dict(headers))  # noqa: S310 - loopback
    with urllib.request.urlopen(request, timeout=30):  # noqa: S310
        pass
