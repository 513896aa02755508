"""The secrets of a development stack: made once, kept in one file that only its owner reads."""

import secrets
from pathlib import Path

from ibex.embedded.places import write_private

BYTES = {
    "IBEX_SECRET_KEY": 48,
    "IBEX_TOKEN_KEY": 48,
    "IBEX_SERVICE_TOKEN": 32,
    "IBEX_DATABASE_OWNER_PASSWORD": 24,
    "IBEX_DATABASE_APP_PASSWORD": 24,
    "IBEX_DEV_OPERATOR_PASSWORD": 12,
}


def load_secrets(file: Path) -> dict[str, str]:
    """Read the secrets in `file`, after adding those that it lacks."""
    found = _read(file) if file.exists() else {}
    missing = {name: secrets.token_urlsafe(size) for name, size in BYTES.items()}
    complete = missing | found
    if complete != found:
        write_private(file, "".join(f"{name}={value}\n" for name, value in complete.items()))
    return complete


def _read(file: Path) -> dict[str, str]:
    lines = (line.partition("=") for line in file.read_text().splitlines())
    return {name: value for name, _, value in lines if value}
