"""`python -m ibex.embedded`: run one command with fresh stores, or a whole development stack."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ibex.embedded.environment import load_operator_settings
from ibex.embedded.errors import EmbeddedError
from ibex.embedded.home import Home
from ibex.embedded.supervisor import PROCFILE, Supervisor
from ibex.embedded.temporary import run_with_stores


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line and do what it says; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.action(options))
    except EmbeddedError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ibex.embedded", description=__doc__)
    actions = parser.add_subparsers(required=True)
    run = actions.add_parser("run", help="run a command with a database and a Redis of its own")
    run.add_argument("command", nargs="+", metavar="COMMAND", help="after --: command and options")
    run.set_defaults(action=_run)
    up = actions.add_parser("up", help="run the development stack until Ctrl-C")
    up.add_argument("-v", "--verbose", action="store_true", help="show every line of every log")
    up.add_argument("-f", "--procfile", type=Path, default=PROCFILE, help="what to run")
    up.set_defaults(action=_up)
    return parser


def _run(options: argparse.Namespace) -> int:
    return run_with_stores(options.command)


def _up(options: argparse.Namespace) -> int:
    load_operator_settings()
    home = Home.configured()
    return Supervisor(home, procfile=options.procfile, verbose=options.verbose).run()


if __name__ == "__main__":
    sys.exit(main())
