"""`python -m ibex.serve memory|api|dashboard`: serve one Django role with uvicorn."""

import os
import sys

import uvicorn

from ibex.env import env
from ibex.logs import configure_logging
from ibex.ports import bind_host, port
from ibex.startup import refuse_unsafe_start

ROLES = ("memory", "api", "dashboard")
DRAIN_S = 30


def main(arguments: list[str]) -> None:
    """Check that it is safe to start, then serve until SIGTERM, draining for 30 s."""
    if len(arguments) != 1 or arguments[0] not in ROLES:
        raise SystemExit(f"usage: python -m ibex.serve {'|'.join(ROLES)}")
    role = arguments[0]
    os.environ["IBEX_ROLE"] = role
    configure_logging(role)
    refuse_unsafe_start(env.str("IBEX_DATABASE_URL"))
    uvicorn.run(
        "ibex.asgi:application",
        host=bind_host(),
        port=port(role),
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=DRAIN_S,
        lifespan="off",
        forwarded_allow_ips=env.list("IBEX_TRUSTED_PROXIES", []),
    )


if __name__ == "__main__":
    main(sys.argv[1:])
