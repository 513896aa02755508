"""What the processes of a development stack find in their environment.

The operator's own variables come first, then an optional `.env` in the clone, then what is
generated here. A variable that is set to nothing counts as not set.
"""

import os
import sys
from pathlib import Path

from dotenv import dotenv_values

from ibex.embedded.home import Home
from ibex.embedded.places import CLONE
from ibex.ports import bind_host, port

RUNTIME_SECRETS = ("IBEX_SECRET_KEY", "IBEX_TOKEN_KEY", "IBEX_SERVICE_TOKEN")
NEVER_AT_RUN_TIME = (
    "IBEX_DATABASE_OWNER_URL",
    "IBEX_DATABASE_OWNER_URL_FILE",
    "IBEX_DEV_OPERATOR_PASSWORD",
    "IBEX_DEV_OPERATOR_PASSWORD_FILE",
)


def load_operator_settings() -> None:
    """Add `.env` to our own environment and drop empty settings of ours from it."""
    for name, value in dotenv_values(CLONE / ".env").items():
        if value:
            os.environ.setdefault(name, value)
    for name in [name for name, value in os.environ.items() if not value]:
        if name.startswith("IBEX_"):
            del os.environ[name]


def is_set(name: str) -> bool:
    """Say whether the operator gave a value, or a file that holds it."""
    return bool(os.environ.get(name) or os.environ.get(f"{name}_FILE"))


def llm_is_live() -> bool:
    """Say whether answers come from a real model: a key is there and nothing forbids its use."""
    if is_set("IBEX_LLM_MODE"):
        return os.environ.get("IBEX_LLM_MODE") != "local"
    return is_set("OPENAI_API_KEY")


def runtime_environment(
    home: Home, secrets: dict[str, str], stores: dict[str, str]
) -> dict[str, str]:
    """Return the whole environment of a process; it never holds the database owner's address."""
    defaults = {
        "IBEX_ENV": "development",
        "IBEX_SPOOL_DIR": str(home.spool),
        "IBEX_MODEL_DIR": str(home.models),
        "IBEX_FORWARD": "true",
        **{name: secrets[name] for name in RUNTIME_SECRETS},
        **stores,
        **_addresses(),
    }
    if not llm_is_live():
        defaults["IBEX_LLM_MODE"] = "local"
    unset = {name: value for name, value in defaults.items() if not is_set(name)}
    forced = {
        "IBEX_HOME": str(home.root),
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
        "PYTHONUNBUFFERED": "1",
    }
    environment = {**os.environ, **unset, **forced}
    return {name: value for name, value in environment.items() if name not in NEVER_AT_RUN_TIME}


def local_host() -> str:
    """Return the address under which this machine reaches its own processes."""
    host = bind_host()
    return "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound


def address(name: str) -> str:
    """Return the base URL of a listener."""
    return f"http://{local_host()}:{port(name)}"


def _addresses() -> dict[str, str]:
    return {
        "IBEX_EMBEDDER_URL": address("embedder"),
        "IBEX_CONTEXT_ADDR": f"{local_host()}:{port('context')}",
        "IBEX_CONTEXT_HEALTH_URL": address("context_health"),
        "IBEX_WORKER_HEALTH_URL": address("worker_health"),
        "IBEX_API_URL": address("api"),
        "IBEX_MEMORY_URL": address("memory"),
        "IBEX_DASHBOARD_URL": address("dashboard"),
        "IBEX_CONTROL_URL": f"{address('api').replace('http', 'ws', 1)}/ws/control",
    }
