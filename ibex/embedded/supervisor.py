"""The supervisor of a development stack: `make up`.

It starts the stores, prepares the database, starts the processes of the Procfile, waits until
all are ready, and keeps them so until it is told to stop.
"""

import secrets
import signal
import time
from pathlib import Path

from honcho.environ import parse_procfile

from ibex.embedded.credentials import load_secrets
from ibex.embedded.crew import Crew
from ibex.embedded.environment import is_set, runtime_environment
from ibex.embedded.home import Home
from ibex.embedded.leftovers import MARK, record_children, stop_leftovers
from ibex.embedded.listeners import require_free_ports
from ibex.embedded.panel import panel
from ibex.embedded.places import CLONE, tail
from ibex.embedded.setup_steps import STEPS, Rows, run_steps
from ibex.embedded.stack_file import write_stack_file
from ibex.embedded.stores import Stores
from ibex.embedded.terminal import Terminal
from ibex.env import env

PROCFILE = CLONE / "Procfile"
TICK_S = 0.1
AFTER_A_KILL_S = 15.0
PASSWORD = "IBEX_DEV_OPERATOR_PASSWORD"  # noqa: S105 - the variable's name


class StopRequestedError(Exception):
    """A signal asked the supervisor to stop."""


class Supervisor:
    """One development stack, from its first process to its last."""

    def __init__(
        self, home: Home, *, procfile: Path = PROCFILE, steps: Rows = STEPS, verbose: bool = False
    ) -> None:
        self.home = home
        self.crew = Crew(parse_procfile(procfile.read_text()).processes, home)
        self.terminal = Terminal(verbose=verbose)
        self._steps = steps
        self._stack_id = secrets.token_hex(16)
        self._signals = 0

    def run(self) -> int:
        """Run the stack until a signal stops it; return the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
                signal.signal(number, self._count_signal)
        with self.home.locked():
            self._clear_the_ground()
            try:
                self._start()
                while True:
                    self._tick()
            except StopRequestedError:
                return 0
            finally:
                self._stop()

    def _clear_the_ground(self) -> None:
        if count := stop_leftovers(self.home.children):
            self.terminal.say(f"stopped {count} processes that a killed supervisor had left")
        was_killed = count > 0 or self.home.stack.exists()
        self.home.stack.unlink(missing_ok=True)
        require_free_ports(self.crew.lines, patience_s=AFTER_A_KILL_S if was_killed else 0.0)
        self.secrets = load_secrets(self.home.secrets)
        if is_set(PASSWORD):
            self.secrets[PASSWORD] = env.str(PASSWORD)
        self.stores = Stores(self.home, self.secrets)

    def _start(self) -> None:
        self.terminal.say("starting the stores")
        self.stores.start()
        self.secrets["IBEX_DATABASE_OWNER_URL"] = self.stores.owner_url
        self.env = runtime_environment(self.home, self.secrets, self.stores.addresses)
        self.env[MARK] = self._stack_id
        self._record()
        self._prepare()
        self.terminal.say(f"starting {', '.join(self.crew.lines)}")
        for name in self.crew.lines:
            self.terminal.follow(name, self.home.log(name))
        self.crew.start(self.env)
        self._record()
        self.crew.wait_ready(self._tick)
        write_stack_file(self.home.stack, self.crew.children, self.env, self.secrets)
        self._announce()

    def _prepare(self) -> None:
        if self._steps:
            self.terminal.say("preparing the database and the embedding model")
        run_steps(
            self._steps, home=self.home, env=self.env, secrets=self.secrets, pause=self._pause
        )

    def _announce(self) -> None:
        password = None if is_set(PASSWORD) else self.secrets[PASSWORD]
        self.terminal.show(panel(self.home, self.crew.lines, password))

    def _tick(self) -> None:
        """Restart what died, pass on what was logged, and rest a moment."""
        for child in (*self.stores.children, *self.crew.children):
            if event := child.watch():
                self.terminal.say(f"{child.name} {event}")
                if child.process is None:
                    self.terminal.quote(child.name, tail(child.program.log))
                self._record()
        self.terminal.relay()
        self._pause()

    def _record(self) -> None:
        """Write down what runs: for the next start, and for whoever looks for the stack."""
        running = [found for child in self.crew.children if (found := child.identity())]
        record_children(self.home.children, self._stack_id, running)
        if self.home.stack.exists():
            write_stack_file(self.home.stack, self.crew.children, self.env, self.secrets)

    def _pause(self) -> None:
        """Rest a moment; every wait of the supervisor comes through here, so a stop does too."""
        time.sleep(TICK_S)
        if self._signals:
            raise StopRequestedError

    def _count_signal(self, _number: int, _frame: object) -> None:
        self._signals += 1

    def _stop(self) -> None:
        self.terminal.say("stopping; Ctrl-C kills what is still busy")
        self.home.stack.unlink(missing_ok=True)
        before = self._signals
        self.crew.stop(hurry=lambda: self._signals > before)
        stop_leftovers(self.home.children)
        self.stores.stop()
        self.terminal.relay()
