"""Load over raw sockets: at a constant rate of arrivals, or with so many requests always in flight.

At a constant rate a request's latency counts from the moment it was due, so a stalled server is
charged for those that had to wait (no coordinated omission).
"""

import asyncio
import itertools
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass
class Result:
    """Latencies in milliseconds of answered requests, statuses, and what headers said.

    `overheads_ms` is what the proxy itself says it took of each, without the provider.
    """

    latencies_ms: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    noted: Counter[str] = field(default_factory=Counter)
    overheads_ms: list[float] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Target:
    """What is asked: a POST whose body may differ by its number."""

    port: int
    path: str
    headers: Mapping[str, str]
    body: Callable[[int], bytes]
    note: str = ""
    """A response header whose values are counted."""

    def request(self, n: int) -> bytes:
        """Build the bytes of request number n."""
        body = self.body(n)
        lines = [f"POST {self.path} HTTP/1.1", "host: localhost", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Connection:
    """One keep-alive connection, one request at a time."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, n: int, result: Result, due: float) -> None:
        """Send request n and read its answer whole."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._target.port)
        reader, writer = self._streams
        writer.write(self._target.request(n))
        head = await reader.readuntil(b"\r\n\r\n")
        headers = _headers(head)
        await reader.readexactly(int(headers.get("content-length", "0")))
        result.latencies_ms.append((time.perf_counter() - due) * 1000)
        result.statuses[int(head[9:12])] += 1
        if overhead := headers.get("x-ibex-overhead-ms"):
            result.overheads_ms.append(float(overhead))
        if self._target.note:
            result.noted[headers.get(self._target.note, "absent")] += 1

    def close(self) -> None:
        """Close the connection."""
        if self._streams:
            self._streams[1].close()


async def constant_rate(
    target: Target,
    *,
    per_second: float,
    seconds: float = math.inf,
    is_over: Callable[[], bool] = lambda: False,
) -> Result:
    """Start a request every 1/rate seconds, whatever became of the ones before.

    It ends after `seconds`, or when `is_over` says so.
    """
    result = Result()
    idle: list[Connection] = []
    tasks: set[asyncio.Task[None]] = set()
    start = time.perf_counter()

    async def one(n: int, due: float) -> None:
        connection = idle.pop() if idle else Connection(target)
        await connection.ask(n, result, due)
        idle.append(connection)

    for n in itertools.count():
        if n + 1 > per_second * seconds or is_over():
            break
        due = start + n / per_second
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        task = asyncio.create_task(one(n, due))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    if tasks:
        await asyncio.wait(tasks, timeout=30)
    result.seconds = time.perf_counter() - start
    for connection in idle:
        connection.close()
    return result


async def always_in_flight(target: Target, *, connections: int, seconds: float) -> Result:
    """Keep so many requests in flight; each connection asks again as soon as it is answered."""
    result = Result()
    start = time.perf_counter()
    numbers = iter(range(10**9))

    async def worker() -> None:
        connection = Connection(target)
        while time.perf_counter() - start < seconds:
            await connection.ask(next(numbers), result, time.perf_counter())
        connection.close()

    await asyncio.gather(*(worker() for _ in range(connections)))
    result.seconds = time.perf_counter() - start
    return result


def _headers(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    return {name.lower(): value.strip() for name, value in pairs}
