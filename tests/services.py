"""Stand-ins for the processes that the status asks: they answer health checks, or hang."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread


@contextmanager
def serve(answer: Callable[[str], str]) -> Iterator[str]:
    """Answer each GET by what `answer` says of its path; returns the base URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answer(self.path).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def dispatched(seconds_ago: float) -> Callable[[str], str]:
    """Answer as a worker whose dispatcher looked for work so long ago."""

    def answer(path: str) -> str:
        at = time.time() - seconds_ago
        name = "ibex_worker_dispatched_timestamp_seconds"
        return f"# TYPE {name} gauge\n{name} {at}\n" if path == "/metrics" else "{}"

    return answer


@contextmanager
def hanging() -> Iterator[str]:
    """Accept requests and answer none until the test is over."""
    over = Event()

    def answer(_path: str) -> str:
        over.wait()
        return ""

    with serve(answer) as url:
        try:
            yield url
        finally:
            over.set()
