"""`python -m proxy`: serve the data plane with uvicorn."""

import uvicorn

from ibex.env import env
from ibex.logs import configure_logging
from ibex.ports import bind_host, port
from ibex.startup import refuse_unsafe_start

DRAIN_S = 30


def main() -> None:
    """Check that it is safe to start, then serve until SIGTERM, draining for 30 s."""
    configure_logging("proxy")
    refuse_unsafe_start(env.str("IBEX_DATABASE_URL"))
    uvicorn.run(
        "proxy.app:application",
        host=bind_host(),
        port=port("proxy"),
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # `X-Forwarded-For` is believed by proxy.http, from trusted hops alone
        date_header=True,
        timeout_graceful_shutdown=DRAIN_S,
        timeout_keep_alive=75,
    )


if __name__ == "__main__":
    main()
