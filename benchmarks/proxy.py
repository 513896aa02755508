"""What the proxy adds: latency at a constant rate, and throughput when saturated."""

import asyncio
import json
from typing import Any

from benchmarks.load import Target, always_in_flight, constant_rate
from benchmarks.stage import Stage, caller, make_agent, stage
from benchmarks.stats import cpu_seconds, machine, summary

PROMPT = "Please look at the report and tell me what stands out in it. " * 30


def body(n: int) -> bytes:
    """Build a request of about 2 KB; each is another one."""
    messages = [{"role": "user", "content": f"{n}: {PROMPT}"}]
    return json.dumps({"model": "gpt-4o-mini", "messages": messages}).encode()


def measure(*, seconds: float) -> dict[str, Any]:
    """Measure with memory off; overhead is what the client sees beyond the provider itself."""
    with stage() as ready:
        agent, token = make_agent(memory_enabled=False)
        ready.start("proxy")
        ours = Target(8080 + ready.offset, "/v1/chat/completions", caller(agent, token), body)
        direct = Target(ready.upstream_port, "/v1/chat/completions", {}, body)
        asyncio.run(constant_rate(ours, per_second=50, seconds=2))
        return {
            "machine": machine(),
            "direct_200": _at_rate(direct, 200, seconds),
            "proxy_200": _at_rate(ours, 200, seconds),
            "saturated": {
                str(n): _saturated(ready, ours, connections=n, seconds=seconds) for n in (1, 50)
            },
        }


def _at_rate(target: Target, per_second: float, seconds: float) -> dict[str, Any]:
    result = asyncio.run(constant_rate(target, per_second=per_second, seconds=seconds))
    return {**summary(result.latencies_ms), "statuses": dict(result.statuses)}


def _saturated(ready: Stage, target: Target, *, connections: int, seconds: float) -> dict[str, Any]:
    pid = ready.pid("proxy")
    before = cpu_seconds(pid)
    result = asyncio.run(always_in_flight(target, connections=connections, seconds=seconds))
    used = cpu_seconds(pid) - before
    count = len(result.latencies_ms)
    return {
        **summary(result.latencies_ms),
        "per_second": round(count / result.seconds, 1),
        "cpu_us_per_request": round(used / max(count, 1) * 1e6),
        "statuses": dict(result.statuses),
    }


if __name__ == "__main__":
    print(json.dumps(measure(seconds=5), indent=2))
