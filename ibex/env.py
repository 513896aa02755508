"""The environment, read in one way by every process.

Every variable may also come from a file: `NAME_FILE` names it, and its content is the value.
A variable that is missing or malformed stops the process with its name.
"""

from environs import FileAwareEnv

env = FileAwareEnv(strip_whitespace=True)


def is_development() -> bool:
    """Say whether development conveniences (fixed ids, local provider) may exist here."""
    return environment() == "development"


def environment() -> str:
    """Return `IBEX_ENV`: `production` unless the operator says `development`."""
    value: str = env.str("IBEX_ENV", "production")
    if value not in {"production", "development"}:
        raise SystemExit(f"IBEX_ENV must be 'production' or 'development', not {value!r}.")
    return value
