"""Saturated throughput beside other gateways, in turns within one run, before the same provider.

They are no part of this project. Install them anywhere, and say where they are:

    npm install --prefix DIR @portkey-ai/gateway
    python3 -m venv DIR/litellm && DIR/litellm/bin/pip install "litellm[proxy]==1.80.0"
    make bench ARGS="gateways --peers DIR"

IBEX answers with its controls and recording on (token, rate limits, a durable turn for each
answer), memory off; the others only forward. Whichever is not there is left out and said so.
"""

import asyncio
import os
import subprocess
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.load import Target, always_in_flight
from benchmarks.proxy import PATH, body
from benchmarks.stage import Stage, caller, make_agent, stage
from benchmarks.stats import summary

CONNECTIONS = 50
ROUNDS = 3
START_S = 90
PORTKEY = Path("node_modules/@portkey-ai/gateway/build/start-server.js")
LITELLM = Path("litellm/bin/litellm")
JSON = {"content-type": "application/json", "authorization": "Bearer sk-benchmark"}


@dataclass
class Gateway:
    """One gateway that is running, and how it is asked."""

    name: str
    target: Target
    process: "subprocess.Popen[bytes] | None" = None


def measure(*, seconds: float) -> dict[str, Any]:
    """Measure each gateway in turn, several times; report each round and the ratios of medians."""
    peers = Path(os.environ.get("IBEX_BENCHMARK_PEERS", ""))
    with stage() as ready:
        agent, token = make_agent(memory_enabled=False)
        ready.start("ibex.serve", "api")
        ready.start("proxy")
        ours = Gateway("ibex", Target(8080 + ready.offset, PATH, caller(agent, token), body))
        gateways = [ours, *_others(ready, peers)]
        try:
            return _rounds(gateways, seconds)
        finally:
            for gateway in gateways:
                if gateway.process:
                    gateway.process.kill()
                    gateway.process.wait()


def _rounds(gateways: list[Gateway], seconds: float) -> dict[str, Any]:
    rates: dict[str, list[float]] = {gateway.name: [] for gateway in gateways}
    last: dict[str, Any] = {}
    for _round in range(ROUNDS):
        for gateway in gateways:
            run = always_in_flight(gateway.target, connections=CONNECTIONS, seconds=seconds)
            result = asyncio.run(run)
            rates[gateway.name].append(round(len(result.latencies_ms) / result.seconds, 1))
            last[gateway.name] = {
                **summary(result.latencies_ms),
                "statuses": dict(result.statuses),
            }
    medians = {name: sorted(found)[len(found) // 2] for name, found in rates.items()}
    return {
        "requests_per_second": rates,
        "ibex_times_as_fast": {
            name: round(medians["ibex"] / rate, 2)
            for name, rate in medians.items()
            if name != "ibex" and rate
        },
        "last_round": last,
    }


def _others(ready: Stage, peers: Path) -> list[Gateway]:
    upstream = f"http://127.0.0.1:{ready.upstream_port}/v1"
    found = []
    if (script := peers / PORTKEY).is_file():
        found.append(_portkey(ready, script, upstream))
    if (program := peers / LITELLM).is_file():
        found.append(_litellm(ready, program, upstream))
    return found


def _portkey(ready: Stage, script: Path, upstream: str) -> Gateway:
    port = _free_port()
    command = ["node", str(script), f"--port={port}", "--headless"]
    headers = {**JSON, "x-portkey-provider": "openai", "x-portkey-custom-host": upstream}
    process = _start(ready, "portkey", command, {})
    return _ready(Gateway("portkey", Target(port, PATH, headers, body), process))


def _litellm(ready: Stage, program: Path, upstream: str) -> Gateway:
    port = _free_port()
    config = ready.folder / "litellm.yaml"
    config.write_text(
        "model_list:\n  - model_name: gpt-4o-mini\n    litellm_params:\n"
        "      model: openai/gpt-4o-mini\n      api_key: sk-benchmark\n"
        f"      api_base: {upstream}\n"
    )
    command = [str(program), "--config", str(config), "--port", str(port), "--host", "127.0.0.1"]
    process = _start(ready, "litellm", command, {"LITELLM_LOCAL_MODEL_COST_MAP": "True"})
    return _ready(Gateway("litellm", Target(port, PATH, JSON, body), process))


def _start(
    ready: Stage, name: str, command: list[str], env: Mapping[str, str]
) -> "subprocess.Popen[bytes]":
    with (ready.folder / f"{name}.log").open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - what the caller installed
            command, env={**os.environ, **env}, stdout=log, stderr=log, start_new_session=True
        )


def _ready(gateway: Gateway) -> Gateway:
    """Wait until one request is answered."""
    url = f"http://127.0.0.1:{gateway.target.port}{PATH}"
    deadline = time.monotonic() + START_S
    while True:
        request = urllib.request.Request(url, data=body(0), headers=dict(gateway.target.headers))
        try:
            with urllib.request.urlopen(request, timeout=10):  # noqa: S310 - loopback
                return gateway
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def _free_port() -> int:
    from tests.processes import free_port  # noqa: PLC0415 - after Django is set up

    return free_port()
