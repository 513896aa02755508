"""What is looked at before a text is pushed. A check never repeats the text."""

from dataclasses import dataclass
from typing import Literal

from directives.models import MAX_BYTES
from memories.retrieval import estimate_tokens
from memories.screening.redaction import redact

State = Literal["ok", "warn", "bad"]

SECRETS = {
    "private_key": "a private key",
    "jwt": "a signed token",
    "api_key": "an API key",
    "secret": "a password or another secret",
}
MAX_LINES_NAMED = 5


@dataclass(frozen=True)
class Check:
    """One thing that was looked at, and what was found. A bad one forbids the push."""

    name: str
    state: State
    words: str


def check_text(content: str, active: str) -> list[Check]:
    """Look at a text that is to replace the active one."""
    return [_size(content, active), _secrets(content)]


def _size(content: str, active: str) -> Check:
    size, tokens = len(content.encode()), estimate_tokens(content)
    if not content.strip():
        return Check("Size", "bad", "Empty. A directive says something.")
    if size > MAX_BYTES:
        over = size - MAX_BYTES
        return Check(
            "Size", "bad", f"{size:,} of {MAX_BYTES:,} bytes: shorten it by {over:,} bytes."
        )
    grown = tokens - estimate_tokens(active)
    change = f" ({'+' if grown > 0 else '−'} {abs(grown):,})" if grown and active else ""  # noqa: RUF001 - a minus
    return Check("Size", "ok", f"{size:,} of {MAX_BYTES:,} bytes, about {tokens:,} tokens{change}")


def _secrets(content: str) -> Check:
    """Name the kinds of what looks like a secret, and the lines it is on."""
    found = _kinds(content)
    if not found:
        return Check("Secrets", "ok", "None found")
    what = " and ".join(SECRETS[kind] for kind in found)
    return Check(
        "Secrets", "warn", f"It seems to hold {what}{_where(content)}. Every model sees it."
    )


def _kinds(text: str) -> list[str]:
    return [kind for kind in redact(text).kinds if kind in SECRETS]


def _where(content: str) -> str:
    lines = [n for n, line in enumerate(content.split("\n"), start=1) if _kinds(line)]
    if not lines:
        return ""
    named = ", ".join(str(n) for n in lines[:MAX_LINES_NAMED])
    more = " and more" if len(lines) > MAX_LINES_NAMED else ""
    return f", line {named}{more}" if len(lines) == 1 else f", lines {named}{more}"
