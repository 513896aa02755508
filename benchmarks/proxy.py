"""What the proxy adds: latency at a constant rate with memory off and on, and saturated throughput.

`overhead` is what the proxy says of each request: from its head to the first byte of the answer,
without the provider. A client's own percentiles stand beside it, and the provider's alone.
"""

import asyncio
import json
from typing import Any

from benchmarks.load import Target, always_in_flight, constant_rate
from benchmarks.stage import Stage, caller, make_agent, stage
from benchmarks.stats import cpu_seconds, summary

PATH = "/v1/chat/completions"
PROMPT = "Please look at the report and tell me what stands out in it. " * 30


def body(n: int) -> bytes:
    """Build a request of about 2 KB; each is another one."""
    messages = [{"role": "user", "content": f"{n}: {PROMPT}"}]
    return json.dumps({"model": "gpt-4o-mini", "messages": messages}).encode()


def question(n: int) -> bytes:
    """Build a short request that memories may answer."""
    messages = [{"role": "user", "content": f"Which host does service {n % 40} of ours use?"}]
    return json.dumps({"model": "gpt-4o-mini", "messages": messages}).encode()


def measure(*, seconds: float) -> dict[str, Any]:
    """Measure all shapes of the contract's speed table."""
    with stage() as ready:
        agent, token = make_agent(memory_enabled=False)
        ready.start("ibex.serve", "api")
        ready.start("proxy")
        port = 8080 + ready.offset
        plain = Target(port, PATH, caller(agent, token), body)
        direct = Target(ready.upstream_port, PATH, {}, body)
        asyncio.run(constant_rate(plain, per_second=50, seconds=2))
        results = {
            "provider_alone_at_200": _at_rate(direct, 200, seconds),
            "memory_off_at_200": _at_rate(plain, 200, seconds),
            "memory_off_saturated": {
                str(n): _saturated(ready, plain, connections=n, seconds=seconds) for n in (1, 50)
            },
        }
        remembering, key = make_agent()
        for module in ("embedder", "context", "ibex.worker"):
            ready.start(module)
        _teach(ready, remembering, key)
        asked = Target(
            port, PATH, caller(remembering, key), question, note="x-ibex-context-fallback"
        )
        asyncio.run(constant_rate(asked, per_second=20, seconds=3))
        results |= {
            "memory_on_at_50_worker_running": _at_rate(asked, 50, seconds),
            "memory_on_at_200": _at_rate(asked, 200, seconds),
        }
        return results


def _teach(ready: Stage, agent: Any, token: str) -> None:
    """State forty facts and wait until they are learned."""
    from ibex.tenancy import tenant  # noqa: PLC0415 - after Django is set up
    from memories.models import Memory  # noqa: PLC0415

    def fact(n: int) -> bytes:
        text = f"Our service {n} uses the host db{n}.example.com."
        messages = [{"role": "user", "content": text}]
        return json.dumps({"model": "gpt-4o-mini", "messages": messages}).encode()

    target = Target(8080 + ready.offset, PATH, caller(agent, token), fact)
    asyncio.run(constant_rate(target, per_second=20, seconds=2))
    for _try in range(120):
        with tenant(agent.org_id):
            if Memory.objects.filter(agent=agent).count() >= 30:  # noqa: PLR2004 - most of forty
                return
        asyncio.run(asyncio.sleep(0.5))


def _at_rate(target: Target, per_second: float, seconds: float) -> dict[str, Any]:
    result = asyncio.run(constant_rate(target, per_second=per_second, seconds=seconds))
    report = {**summary(result.latencies_ms), "statuses": dict(result.statuses)}
    if result.overheads_ms:
        report["overhead"] = summary(result.overheads_ms)
    return report | ({target.note: dict(result.noted)} if target.note else {})


def _saturated(ready: Stage, target: Target, *, connections: int, seconds: float) -> dict[str, Any]:
    pid = ready.pid("proxy")
    before = cpu_seconds(pid)
    result = asyncio.run(always_in_flight(target, connections=connections, seconds=seconds))
    used = cpu_seconds(pid) - before
    count = len(result.latencies_ms)
    return {
        **summary(result.latencies_ms),
        "per_second": round(count / result.seconds, 1),
        "proxy_cpu_us_per_request": round(used / max(count, 1) * 1e6),
        "statuses": dict(result.statuses),
    }
