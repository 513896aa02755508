"""What has to be done before the processes of a stack may start."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ibex.embedded.children import STOP, Command
from ibex.embedded.errors import EmbeddedError
from ibex.embedded.home import Home
from ibex.embedded.places import tail
from ibex.embedded.processes import Process, ended, stop_all


@dataclass(frozen=True)
class Step:
    """A command that has to succeed; `given` maps variables to the secrets it alone gets."""

    name: str
    line: str
    given: tuple[tuple[str, str], ...] = ()


Rows = Sequence[Sequence[Step]]
"""Rows run side by side, the steps of a row one after the other."""

STEPS: Rows = (
    (
        Step(
            "migrate",
            "python manage.py migrate --noinput",
            given=(("IBEX_DATABASE_URL", "IBEX_DATABASE_OWNER_URL"),),
        ),
        Step(
            "seed",
            "python manage.py seed_development",
            given=(("IBEX_DEV_OPERATOR_PASSWORD", "IBEX_DEV_OPERATOR_PASSWORD"),),
        ),
    ),
    (Step("model", "python -m embedder build"),),
)


def run_steps(
    rows: Rows,
    *,
    home: Home,
    env: Mapping[str, str],
    secrets: Mapping[str, str],
    pause: Callable[[], None],
) -> None:
    """Run every step; the first that fails stops the others and is reported with its output."""
    waiting = [list(row) for row in rows]
    running: dict[int, tuple[Step, Process]] = {}
    try:
        while running or any(waiting):
            for number, row in enumerate(waiting):
                if row and number not in running:
                    step = row.pop(0)
                    running[number] = step, _launch(step, home, env, secrets)
            for number, (step, process) in list(running.items()):
                if ended(process):
                    del running[number]
                    _require_success(step, process, home)
            pause()
    finally:
        stop_all([process for _, process in running.values()], STOP)


def _launch(step: Step, home: Home, env: Mapping[str, str], secrets: Mapping[str, str]) -> Process:
    own = {variable: secrets[name] for variable, name in step.given}
    files = {f"{variable}_FILE" for variable in own}  # would be read instead
    inherited = {name: value for name, value in env.items() if name not in files}
    return Command(step.name, step.line, {**inherited, **own}, home.log(step.name)).launch()


def _require_success(step: Step, process: Process, home: Home) -> None:
    if process.returncode:
        log = home.log(step.name)
        raise EmbeddedError(
            f"`{step.line}` failed with code {process.returncode}; the end of {log}:\n{tail(log)}"
        )
