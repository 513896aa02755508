"""Runs a supervisor with toy processes: `python toy_stack.py PROCFILE [SETUP COMMAND]`."""

import sys
from pathlib import Path

from ibex.embedded.environment import load_operator_settings
from ibex.embedded.errors import EmbeddedError
from ibex.embedded.home import Home
from ibex.embedded.setup_steps import Step
from ibex.embedded.supervisor import Supervisor

load_operator_settings()
GIVEN = (("IBEX_DATABASE_URL", "IBEX_DATABASE_OWNER_URL"),)
steps = [[Step("prepare", line, GIVEN)] for line in sys.argv[2:]]
try:
    sys.exit(Supervisor(Home.configured(), procfile=Path(sys.argv[1]), steps=steps).run())
except EmbeddedError as error:
    sys.exit(str(error))
