"""What the proxy is told by its environment."""

from dataclasses import dataclass
from pathlib import Path

from ibex.env import env, is_development

LLM_MODES = ("live", "local")


@dataclass(frozen=True)
class Config:
    """The proxy's settings; durations in seconds."""

    database_url: str
    redis_url: str
    redis_timeout_s: float
    token_key: str
    service_token: str
    context_address: str
    context_deadline_s: float
    llm_mode: str
    openai_api_key: str
    openai_base_url: str
    spool_folder: Path
    forward: bool
    api_url: str
    memory_url: str
    dashboard_url: str
    global_rpm: int
    provider_timeout_s: float
    provider_connect_timeout_s: float
    idle_after_s: int
    trusted_proxies: frozenset[str]
    control_url: str
    name: str


def read_config() -> Config:
    """Read and check the environment. A missing or wrong variable stops the process."""
    mode = env.str("IBEX_LLM_MODE", "live")
    if mode not in LLM_MODES:
        raise SystemExit(f"IBEX_LLM_MODE must be 'live' or 'local', not {mode!r}.")
    if mode == "local" and not is_development():
        raise SystemExit("IBEX_LLM_MODE=local is a development stand-in; refused in production.")
    return Config(
        database_url=env.str("IBEX_DATABASE_URL"),
        redis_url=env.str("IBEX_REDIS_URL"),
        redis_timeout_s=env.int("IBEX_PROXY_REDIS_TIMEOUT_MS", 500) / 1000,
        token_key=env.str("IBEX_TOKEN_KEY"),
        service_token=env.str("IBEX_SERVICE_TOKEN"),
        context_address=env.str("IBEX_CONTEXT_ADDR", "127.0.0.1:9092"),
        context_deadline_s=env.int("IBEX_PROXY_CONTEXT_DEADLINE_MS", 45) / 1000,
        llm_mode=mode,
        openai_api_key=env.str("OPENAI_API_KEY", ""),
        openai_base_url=env.str("OPENAI_BASE_URL", "https://api.openai.com/v1").rstrip("/"),
        spool_folder=Path(env.str("IBEX_SPOOL_DIR", "./var/spool")),
        forward=env.bool("IBEX_FORWARD", False),
        api_url=env.str("IBEX_API_URL", "").rstrip("/"),
        memory_url=env.str("IBEX_MEMORY_URL", "").rstrip("/"),
        dashboard_url=env.str("IBEX_DASHBOARD_URL", "").rstrip("/"),
        global_rpm=env.int("IBEX_GLOBAL_RPM", 0),
        provider_timeout_s=env.float("IBEX_PROVIDER_TIMEOUT_S", 120),
        provider_connect_timeout_s=env.float("IBEX_PROVIDER_CONNECT_TIMEOUT_S", 10),
        idle_after_s=env.int("IBEX_SESSION_IDLE_S", 1800),
        trusted_proxies=frozenset(env.list("IBEX_TRUSTED_PROXIES", [])),
        control_url=env.str("IBEX_CONTROL_URL", ""),
        name=env.str("IBEX_PROXY_NAME", ""),
    )
