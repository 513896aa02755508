"""`python -m ibex.embedded`: run one command with fresh stores, or a whole development stack."""

import argparse
import sys
from collections.abc import Sequence

from ibex.embedded.errors import EmbeddedError
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
    return parser


def _run(options: argparse.Namespace) -> int:
    return run_with_stores(options.command)


if __name__ == "__main__":
    sys.exit(main())
