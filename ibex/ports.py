"""Where each process listens: one table, one offset, one bind address."""

from ibex.env import env

DEFAULT_PORTS = {
    "proxy": 8080,
    "embedder": 8004,
    "memory": 8005,
    "context": 9092,
    "context_health": 8003,
    "worker_health": 8006,
    "api": 8000,
    "dashboard": 3000,
}


def port(name: str) -> int:
    """Return the TCP port of a listener: its default shifted by `IBEX_PORT_OFFSET`."""
    offset: int = env.int("IBEX_PORT_OFFSET", 0)
    return DEFAULT_PORTS[name] + offset


def bind_host() -> str:
    """Return the address to listen on; loopback unless `IBEX_BIND` says otherwise."""
    host: str = env.str("IBEX_BIND", "127.0.0.1")
    return host
