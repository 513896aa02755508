"""`python -m embedder` serves; `python -m embedder build` only prepares the model's file."""

import sys

import uvicorn
from environs import EnvError

from embedder.app import App
from embedder.config import model_dir, read_config
from embedder.model import ensure_model_file
from ibex.logs import configure_logging
from ibex.ports import bind_host, port

DRAIN_S = 30
KEEP_ALIVE_S = 75  # longer than any client of ours keeps an idle connection


def serve() -> None:
    """Serve until SIGTERM, then finish what is under way, for at most 30 s."""
    uvicorn.run(
        App(read_config()),
        host=bind_host(),
        port=port("embedder"),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_S,
    )


def main(arguments: list[str]) -> None:
    """Do what the command line says."""
    try:
        configure_logging("embedder")
        match arguments:
            case []:
                serve()
            case ["build"]:
                ensure_model_file(model_dir())
            case _:
                raise SystemExit("usage: python -m embedder [build]")
    except EnvError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main(sys.argv[1:])
