"""`python -m ibex.demo`: run `manage.py demo_data` against the stack that runs here.

What is not set in the environment comes from `run/stack.json` of the stack's home.
"""

import json
import os
import sys
from pathlib import Path

from django.core.management import execute_from_command_line

CLONE = Path(__file__).resolve().parents[2]


def adopt_running_stack() -> None:
    """Set the variables of the running stack that the environment does not set itself."""
    home = Path(os.environ.get("IBEX_HOME") or CLONE / "var")
    try:
        stack = json.loads((home / "run" / "stack.json").read_text())
    except FileNotFoundError:
        return
    for name, value in stack["environment"].items():
        if f"{name}_FILE" not in os.environ:
            os.environ.setdefault(name, value)


def main() -> None:
    """Find the database, then hand over to Django."""
    adopt_running_stack()
    if "IBEX_DATABASE_URL" not in os.environ and "IBEX_DATABASE_URL_FILE" not in os.environ:
        raise SystemExit("No stack is running here: start one with `make up`.")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ibex.settings")
    os.environ["IBEX_ROLE"] = "manage"
    execute_from_command_line(["manage.py", "demo_data", *sys.argv[1:]])


if __name__ == "__main__":
    main()
