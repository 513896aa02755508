"""Which process listens where, whether the ports are free, and whether it is ready."""

import errno
import http.client
import socket
import time
from collections.abc import Iterable

from ibex.embedded.environment import local_host
from ibex.embedded.errors import EmbeddedError
from ibex.ports import bind_host, port

LISTENERS = {
    "proxy": ("proxy",),
    "embedder": ("embedder",),
    "memory": ("memory",),
    "context": ("context_health", "context"),
    "worker": ("worker_health",),
    "api": ("api",),
    "dashboard": ("dashboard",),
}
"""The ports of each process; the first one answers `/readyz`."""
CHECK_S = 2.0
PAUSE_S = 0.1


class PortsTakenError(EmbeddedError):
    """Somebody else listens where our processes want to."""

    def __init__(self, taken: Iterable[tuple[str, int]]) -> None:
        wanted = "; ".join(f"port {number} (wanted by {process})" for process, number in taken)
        super().__init__(
            f"Already in use: {wanted}. Stop what listens there, or set IBEX_PORT_OFFSET "
            "to move all ports."
        )


def require_free_ports(processes: Iterable[str], *, patience_s: float = 0.0) -> None:
    """Raise `PortsTakenError` unless every port of these processes can be bound.

    What was killed a moment ago may hold its port a little longer; `patience_s` waits for that.
    """
    wanted = [(process, port(name)) for process in processes for name in LISTENERS.get(process, ())]
    deadline = time.monotonic() + patience_s
    while taken := [(process, number) for process, number in wanted if not _free(number)]:
        if time.monotonic() >= deadline:
            raise PortsTakenError(taken)
        time.sleep(PAUSE_S)


def readiness(process: str) -> str:
    """Return "ready", or why the process is not; one without listeners is ready by running."""
    if process not in LISTENERS:
        return "ready"
    connection = http.client.HTTPConnection(
        local_host(), port(LISTENERS[process][0]), timeout=CHECK_S
    )
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        body = response.read(2_000).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return f"no answer: {error}"
    finally:
        connection.close()
    return "ready" if response.status == http.HTTPStatus.OK else f"{response.status} {body}"


def _free(number: int) -> bool:
    host = bind_host()
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, number))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise EmbeddedError(f"Cannot listen on {host}:{number}: {error}.") from None
            return False
    return True
