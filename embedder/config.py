"""What the operator decides about the embedder, read from the environment once."""

from dataclasses import dataclass
from pathlib import Path

from ibex.env import env, is_development

DAY_S = 24 * 60 * 60
CACHE_TIMEOUT_MS = 50
MIN_SECRET_LENGTH = 32


@dataclass(frozen=True)
class Config:
    """The settings of one embedder process; `infra/env/embedder.env.example` explains each."""

    service_token: str
    redis_url: str
    model_dir: Path
    threads: int = 1
    cache_ttl_s: int = DAY_S
    cache_timeout_ms: int = CACHE_TIMEOUT_MS


def read_config() -> Config:
    """Read every setting; a missing or malformed one stops the process with its name."""
    config = Config(
        service_token=env.str("IBEX_SERVICE_TOKEN"),
        redis_url=env.str("IBEX_REDIS_URL"),
        model_dir=model_dir(),
        threads=_positive("IBEX_EMBEDDER_THREADS", 1),
        cache_ttl_s=_positive("IBEX_EMBEDDER_CACHE_TTL_S", DAY_S),
        cache_timeout_ms=_positive("IBEX_EMBEDDER_CACHE_TIMEOUT_MS", CACHE_TIMEOUT_MS),
    )
    if not config.service_token:
        raise SystemExit("IBEX_SERVICE_TOKEN is empty.")
    if len(config.service_token) < MIN_SECRET_LENGTH and not is_development():
        raise SystemExit(f"IBEX_SERVICE_TOKEN is shorter than {MIN_SECRET_LENGTH} characters.")
    return config


def model_dir() -> Path:
    """Return the folder that keeps the quantised model; all that `build` needs to know."""
    return Path(env.str("IBEX_MODEL_DIR", "./var/models"))


def _positive(name: str, default: int) -> int:
    value: int = env.int(name, default)
    if value < 1:
        raise SystemExit(f"{name} must be at least 1, not {value}.")
    return value
