"""The one panel that tells an operator what runs and how to use it."""

from collections.abc import Iterable

from ibex.embedded.environment import address, llm_is_live, local_host
from ibex.embedded.home import Home
from ibex.ports import port

TOKEN = "ibex_dev_sk_LOCALDEVELOPMENTONLY"  # noqa: S105 - the contract's public development token
AGENT = "00000000-0000-0000-0000-000000000003"
OPERATOR = "operator@ibex.localhost"
RULE = "─" * 78
LIVE = "LLM MODE: LIVE. Requests go to the provider, with your key, and cost money."
LOCAL = """\
LLM MODE: LOCAL. A bundled stand-in answers, no model. For real answers set
          OPENAI_API_KEY (here or in .env), leave IBEX_LLM_MODE unset, start again."""


def panel(home: Home, processes: Iterable[str], password: str | None) -> str:
    """Return the panel; `password` is None when the operator chose it."""
    addresses = _addresses()
    listed = "\n".join(f"  {name:<10} {addresses.get(name, 'running')}" for name in processes)
    login = f"{password}  (kept in {home.secrets})" if password else "IBEX_DEV_OPERATOR_PASSWORD"
    return f"""
{RULE}
IBEX is ready.

{listed}

  token      {TOKEN}
  agent      {AGENT}
  operator   {OPERATOR}
  password   {login}
  logs       {home.root / "log"}

  curl {address("proxy")}/v1/chat/completions \\
    -H "Authorization: Bearer {TOKEN}" \\
    -H "X-IBEX-Agent-ID: {AGENT}" \\
    -H "Content-Type: application/json" \\
    -d '{{"model": "gpt-4o-mini", "messages": [{{"role": "user", "content": "Hello"}}]}}'

{LIVE if llm_is_live() else LOCAL}
{RULE}
"""


def _addresses() -> dict[str, str]:
    return {
        "proxy": f"{address('proxy')}/v1    point your OpenAI client here",
        "embedder": f"{address('embedder')}/v1/embeddings",
        "context": f"{local_host()}:{port('context')} gRPC, {address('context_health')}/readyz",
        "worker": f"{address('worker_health')}/readyz",
        "memory": f"{address('memory')}/v1/memories",
        "api": f"{address('api')}/api/v1",
        "dashboard": f"{address('dashboard')}  the console",
    }
