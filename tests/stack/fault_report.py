"""What a run of the fault table measured: a line of JSON per kill in `build/faults.jsonl`.

`python -m tests.stack.fault_report` prints the table of `docs/FAULTS.md` from the newest lines.
"""

import json
import os
import platform
import statistics
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.processes import ROOT

FILE = ROOT / "build" / "faults.jsonl"
RUNS = 3


@dataclass(frozen=True)
class Measured:
    """One kill. Times are seconds; what was seen counts answers from the kill until all was well.

    `healed_s`: until answers were again as before the kill, for good. `learns_s`: until the first
    fact that was said after the kill was a memory. `slowest_fact_s`: the longest that any fact of
    the round took from its turn to its memory. `slowest_answer_s`: the longest wait of a client.
    """

    row: str
    plain: Counter[str]
    streams: Counter[str]
    levels: Counter[str]
    healed_s: float
    learns_s: float
    slowest_fact_s: float
    slowest_answer_s: float
    acknowledged: int
    facts: int


def note(measured: Measured) -> None:
    """Add one kill to the report, with the machine's state."""
    at = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
        "full": os.environ.get("IBEX_TEST_FULL") == "1",
    }
    line = json.dumps({**measured.__dict__, **at})
    FILE.parent.mkdir(exist_ok=True)
    with FILE.open("a") as file:
        file.write(f"{line}\n")


def report(lines: list[dict[str, Any]]) -> str:
    """Render the newest kills of each row, as Markdown: median and worst of the times."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        rows.setdefault(line["row"], []).append(line)
    newest = {row: kills[-RUNS:] for row, kills in rows.items()}
    table = [_row(row, kills) for row, kills in newest.items()]
    return "\n".join([_circumstances(newest), "", *table, ""])


def _circumstances(newest: dict[str, list[dict[str, Any]]]) -> str:
    kills = [kill for row in newest.values() for kill in row]
    loads = [kill["load"] for kill in kills]
    return (
        f"{len(kills)} kills until {max(kill['at'] for kill in kills)}, {kills[0]['cpus']} CPUs, "
        f"load {min(loads)} to {max(loads)}, Python {kills[0]['python']}."
    )


def _row(row: str, kills: list[dict[str, Any]]) -> str:
    seen = [_seen(kill[name] for kill in kills) for name in ("plain", "streams")]
    times = [
        _median_and_worst([kill[name] for kill in kills])
        for name in ("healed_s", "slowest_answer_s", "learns_s", "slowest_fact_s")
    ]
    whole = sum(kill["acknowledged"] for kill in kills)
    facts = sum(kill["facts"] for kill in kills)
    return f"| {' | '.join([row, *seen, *times, f'{whole} / {facts}'])} |"


def _seen(counts: Any) -> str:
    total: Counter[str] = sum((Counter(count) for count in counts), Counter())
    return ", ".join(f"`{seen}` {total[seen]}" for seen in sorted(total))


def _median_and_worst(values: list[float]) -> str:
    return f"{statistics.median(values):.1f} / {max(values):.1f}"


if __name__ == "__main__":
    sys.stdout.write(report([json.loads(line) for line in FILE.read_text().splitlines()]))
