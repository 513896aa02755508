"""What the context service is told by its environment."""

import os
from dataclasses import dataclass

from ibex.env import env


@dataclass(frozen=True)
class Config:
    """The service's settings; deadlines in seconds. They nest: branch < service < proxy.

    `concurrency` is how many assemblies are worked on at once. One keeps about a core busy, here,
    in the embedder and in Postgres: more at once on the same machine make each other late.
    """

    database_url: str
    service_token: str
    embedder_url: str
    branch_deadline_s: float
    deadline_s: float
    concurrency: int


def read_config() -> Config:
    """Read and check the environment. A missing or wrong variable stops the process."""
    config = Config(
        database_url=env.str("IBEX_DATABASE_URL"),
        service_token=env.str("IBEX_SERVICE_TOKEN"),
        embedder_url=env.str("IBEX_EMBEDDER_URL", "http://127.0.0.1:8004"),
        branch_deadline_s=env.int("IBEX_CONTEXT_BRANCH_MS", 25) / 1000,
        deadline_s=env.int("IBEX_CONTEXT_DEADLINE_MS", 40) / 1000,
        concurrency=env.int("IBEX_CONTEXT_CONCURRENCY", 0) or os.cpu_count() or 1,
    )
    if not 0 < config.branch_deadline_s < config.deadline_s:
        raise SystemExit("IBEX_CONTEXT_BRANCH_MS must be shorter than IBEX_CONTEXT_DEADLINE_MS.")
    if config.concurrency < 1:
        raise SystemExit("IBEX_CONTEXT_CONCURRENCY must not be negative.")
    return config
