"""The one place that speaks to a model's provider: a call, and what came of it.

Only the extractor `llm` imports this, for the SDK costs a second and 50 MB to import. Errors of
the SDK quote answers, and answers quote conversations; so none of them leaves this module.
"""

import asyncio
import logging
import threading
from dataclasses import dataclass
from functools import partial
from typing import Any

import openai
import orjson

from memories.extraction.base import (
    ExtractionInvalid,
    ExtractionUnavailable,
    ExtractorMisconfigured,
)
from memories.models import DeadLetter

MAX_TOKENS_COUNTED = 2**31 - 1
TRY_LATER = frozenset({408, 409, 425, 429})
MISCONFIGURED = frozenset({401, 403, 404})
NO_KEY = "none"
"""Local servers ask for no credential; the SDK sends one anyway."""
Reason = DeadLetter.Reason

for name in ("openai", "httpx", "httpx2", "httpcore", "httpcore2"):
    logging.getLogger(name).setLevel(logging.WARNING)  # at DEBUG they tell what they send


@dataclass(frozen=True)
class Answer:
    """What a model answered, and what it cost."""

    text: str
    finish_reason: str
    is_refusal: bool
    tokens_in: int
    tokens_out: int


class Connection(threading.local):
    """A client, and the loop that its connections belong to: one in each thread that asks."""

    def __init__(self, connect: partial[openai.AsyncOpenAI]) -> None:
        self.loop = asyncio.Runner()
        self.client = connect()


class ModelClient:
    """An OpenAI-compatible provider. It never asks twice by itself: claimed work has its time.

    A call has `timeout_s` altogether, however the provider spends it: its name is looked up,
    connected to and waited for on a loop, since sockets only limit the wait for the next byte.
    """

    def __init__(self, *, base_url: str, api_key: str, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        key = api_key or NO_KEY
        connect = partial(
            openai.AsyncOpenAI, base_url=base_url, api_key=key, timeout=None, max_retries=0
        )
        self._connection = Connection(connect)

    def ask(self, *, model: str, messages: Any, response_format: Any) -> Answer:
        """Ask once.

        Raises `ExtractionUnavailable`, `ExtractorMisconfigured`; `ExtractionInvalid` for turns that
        the provider will not take.
        """
        asked = {"model": model, "messages": messages, "response_format": response_format}
        return read_completion(self._connection.loop.run(self._ask(asked)))

    async def _ask(self, asked: dict[str, Any]) -> bytes:
        completions = self._connection.client.chat.completions.with_raw_response
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await completions.create(**asked, temperature=0)
        except TimeoutError:
            raise ExtractionUnavailable("no answer in time") from None
        except openai.APIConnectionError as error:
            raise ExtractionUnavailable(type(error).__name__) from None
        except openai.APIStatusError as error:
            raise _refusal(error.status_code) from None
        except openai.OpenAIError as error:
            raise ExtractionUnavailable(type(error).__name__) from None
        content: bytes = response.content
        return content


def read_completion(body: bytes) -> Answer:
    """Read a chat completion; what is missing or of another type is nothing."""
    try:
        completion = orjson.loads(body)
    except orjson.JSONDecodeError:
        completion = None
    choice = _object(next(iter(_list(_object(completion).get("choices"))), None))
    message = _object(choice.get("message"))
    usage = _object(_object(completion).get("usage"))
    return Answer(
        text=_text(message.get("content")),
        finish_reason=_text(choice.get("finish_reason")),
        is_refusal=bool(message.get("refusal")),
        tokens_in=_count(usage.get("prompt_tokens")),
        tokens_out=_count(usage.get("completion_tokens")),
    )


def _refusal(status: int) -> Exception:
    if status in MISCONFIGURED:
        return ExtractorMisconfigured(f"status {status}")
    if status in TRY_LATER or not 400 <= status < 500:  # noqa: PLR2004 - classes of statuses
        return ExtractionUnavailable(f"status {status}")
    return ExtractionInvalid(Reason.REQUEST_REFUSED, f"status {status}")


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _count(value: Any) -> int:
    return min(value, MAX_TOKENS_COUNTED) if type(value) is int and value > 0 else 0
