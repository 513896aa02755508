"""A stand-in for one process of a stack: `python toy_process.py NAME [stubborn]`.

It answers `/readyz` on its port, prints its environment into its log, and has a child of its own
in a session of its own. A stubborn one does not listen to SIGTERM, and neither does its child.
"""

import http.server
import json
import os
import signal
import subprocess
import sys

from ibex.embedded.listeners import LISTENERS
from ibex.ports import bind_host, port


class Ready(http.server.BaseHTTPRequestHandler):
    """Answers every request with 200."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"status": "ok"}')

    def log_message(self, *_args: object) -> None:
        """Keep the log for what `main` tells."""


def main(name: str, *manners: str) -> None:
    if "stubborn" in manners:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    told = {"grandchild": child.pid, "environment": dict(os.environ)}
    sys.stdout.write(f"{json.dumps(told)}\n")
    sys.stdout.flush()
    address = (bind_host(), port(LISTENERS[name][0]))
    http.server.ThreadingHTTPServer(address, Ready).serve_forever()


main(*sys.argv[1:])
