"""`python -m context`: serve context assembly over gRPC, and its health over HTTP."""

import uvloop
from environs import EnvError

from context.config import read_config
from context.server import serve
from ibex.logs import configure_logging


def main() -> None:
    """Serve until told to stop."""
    try:
        configure_logging("context")
        uvloop.run(serve(read_config()))
    except EnvError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
