"""What a killed supervisor left running, found again without trusting names or bare pids.

Every process of a stack carries the stack's id in its environment, grandchildren included; the
ones that were started directly are recorded with pid and start time as well.
"""

import json
import signal
from collections.abc import Iterable
from pathlib import Path

from ibex.embedded.places import write_private
from ibex.embedded.strangers import Identity, stop_strangers

MARK = "IBEX_STACK_ID"
STOP = ((signal.SIGTERM, 1.0), (signal.SIGKILL, 5.0))


def record_children(file: Path, stack_id: str, children: Iterable[Identity]) -> None:
    """Write down what the next start would have to stop."""
    processes = [[child.pid, child.started] for child in children]
    write_private(file, json.dumps({"stack_id": stack_id, "processes": processes}))


def stop_leftovers(file: Path) -> int:
    """Stop what an earlier stack recorded or marked and did not stop; return how many."""
    if not file.exists():
        return 0
    record = json.loads(file.read_text())
    recorded = {Identity(pid, started) for pid, started in record["processes"]}
    found = {child for child in recorded if child.alive()} | _marked(record["stack_id"])
    stop_strangers(found, STOP)
    file.unlink()
    return len(found)


def _marked(stack_id: str) -> set[Identity]:
    entry = f"{MARK}={stack_id}".encode()
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes().split(b"\0")
        except OSError:  # gone, or not ours to look at
            continue
        if entry in environment and (child := Identity.of(int(process.name))):
            found.add(child)
    return found
