"""`run/stack.json`: what runs, for tests and benchmarks to find; it is there while all is ready."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from ibex.embedded.children import Child
from ibex.embedded.environment import address
from ibex.embedded.listeners import LISTENERS
from ibex.embedded.panel import AGENT, OPERATOR, TOKEN
from ibex.embedded.places import write_private
from ibex.ports import port


def write_stack_file(
    file: Path, children: Iterable[Child], env: Mapping[str, str], secrets: Mapping[str, str]
) -> None:
    """Write pids, ports, addresses and every variable of ours, for its owner alone."""
    content = {
        "supervisor": os.getpid(),
        "processes": {child.name: _process(child) for child in children},
        "token": TOKEN,
        "agent": AGENT,
        "operator": {"email": OPERATOR, "password": secrets["IBEX_DEV_OPERATOR_PASSWORD"]},
        "environment": {name: value for name, value in env.items() if name.startswith("IBEX_")},
        "database_owner_url": secrets["IBEX_DATABASE_OWNER_URL"],
    }
    write_private(file, json.dumps(content, indent=2))


def _process(child: Child) -> dict[str, object]:
    names = LISTENERS.get(child.name, ())
    return {
        "pid": child.process.pid if child.process else None,
        "log": str(child.program.log),
        "url": address(names[0]) if names else None,
        "ports": {name: port(name) for name in names},
    }
