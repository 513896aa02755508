"""Run the benchmarks and keep their figures: `make bench`, or `make bench ARGS="proxy embedder"`.

Each starts stores of its own with their real durability, and real processes; every SQL statement
runs as `ibex_app` under row-level security. Results go to `benchmarks/results/<name>.json`.
"""

import argparse
import importlib
import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.stats import machine  # noqa: E402 - the path is set above

NAMES = (
    *("proxy", "embedder", "context", "search", "writing", "learning"),
    *("push", "lifecycle", "gateways", "lists"),
)
RESULTS = ROOT / "benchmarks" / "results"


def main() -> None:
    """Run each named benchmark in a process of its own, so that none inherits another's state."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(NAMES), help=", ".join(NAMES))
    parser.add_argument("--seconds", type=float, default=20.0, help="length of each measurement")
    parser.add_argument("--peers", default="", help="where other gateways are; see gateways.py")
    parser.add_argument("--rows", default="", help="memories that `lists` and `search` fill")
    options = parser.parse_args()
    os.environ["IBEX_BENCHMARK_ROWS"] = options.rows
    os.environ["IBEX_BENCHMARK_PEERS"] = options.peers
    RESULTS.mkdir(exist_ok=True)
    for name in options.names:
        pid = os.fork()
        if pid == 0:
            _run(name, options.seconds)
            os._exit(0)
        _pid, status = os.waitpid(pid, 0)
        if status:
            raise SystemExit(f"The benchmark {name} failed.")


def _run(name: str, seconds: float) -> None:
    facts = machine()
    results = importlib.import_module(f"benchmarks.{name}").measure(seconds=seconds)
    report = json.dumps({"machine": facts, "results": results}, indent=2)
    (RESULTS / f"{name}.json").write_text(report + "\n")
    print(f"=== {name} ===\n{report}", flush=True)


if __name__ == "__main__":
    main()
