"""An extractor that asks a model: any that speaks OpenAI's chat completions (ADR 0036)."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING

import structlog
from django.conf import settings

from ibex.env import env
from memories.extraction.answers import read_answer
from memories.extraction.base import (
    CandidateMemory,
    ExtractionInvalid,
    ExtractionUnavailable,
    ExtractorMisconfigured,
    TurnText,
)
from memories.extraction.calls import Call, Outcome, note_call
from memories.extraction.outage import Outage
from memories.extraction.prompt import PROMPT_VERSION, RESPONSE_FORMAT, messages
from memories.models import DeadLetter

if TYPE_CHECKING:
    from memories.extraction.client import Answer, ModelClient

OPENAI = "https://api.openai.com/v1"
MAX_MODEL_CHARACTERS = 200
ASKED_AT_MOST = 2
Reason = DeadLetter.Reason

log = structlog.get_logger(__name__)


class LlmExtractor:
    """Asks a model once for a batch of turns; a second time when the answer cannot be used."""

    def __init__(self) -> None:
        self.model: str = env.str("IBEX_EXTRACTOR_MODEL", "") or "gpt-4o-mini"
        self.version = f"llm-{PROMPT_VERSION}/{self.model}"
        base_url: str = env.str("IBEX_EXTRACTOR_BASE_URL", "") or OPENAI
        own_key: str = env.str("IBEX_EXTRACTOR_API_KEY", "")
        api_key: str = own_key or env.str("OPENAI_API_KEY", "")
        timeout_s: float = env.float("IBEX_EXTRACTOR_TIMEOUT_S", 30.0)
        _refuse_unusable(self.model, base_url, api_key, timeout_s)
        from memories.extraction.client import ModelClient  # noqa: PLC0415 - slow to import

        self._connect = partial(
            ModelClient, base_url=base_url, api_key=api_key, timeout_s=timeout_s
        )
        provider = f"{base_url} {self.model} {api_key}"
        self.outage = Outage(settings.REDIS_URL, provider, ASKED_AT_MOST * timeout_s)
        self._has_complained = False

    def extract(self, turns: Sequence[TurnText]) -> list[CandidateMemory]:
        """Return what the model found; without turns it is not asked."""
        if not turns:
            return []
        with self.outage.watch():
            return self._ask_twice(turns)

    def pause(self) -> timedelta | None:
        """Return for how long the model is left alone, if it is."""
        return self.outage.pause()

    def _ask_twice(self, turns: Sequence[TurnText]) -> list[CandidateMemory]:
        try:
            return self._ask(turns)
        except ExtractionInvalid as error:
            if error.reason == Reason.REQUEST_REFUSED:
                raise
            return self._ask(turns, error.problem)

    @cached_property
    def _client(self) -> "ModelClient":
        """Connect in the process that asks: children are forked after the extractor is made."""
        return self._connect()

    def _ask(self, turns: Sequence[TurnText], problem: str = "") -> list[CandidateMemory]:
        asked = _Asked(self.model, len(turns))
        try:
            answer = self._client.ask(
                model=self.model,
                messages=messages(turns, problem),
                response_format=RESPONSE_FORMAT,
            )
            asked.answer = answer
            found = _understand(answer, turns)
        except (ExtractionInvalid, ExtractionUnavailable) as error:
            asked.note(_outcome(error))
            self._complain(error)
            raise
        asked.note(Outcome.OK, candidates=len(found))
        self._has_complained = False
        return found

    def _complain(self, error: Exception) -> None:
        """Tell an operator once what only they can mend; the next success ends it."""
        if _outcome(error) is Outcome.MISCONFIGURED and not self._has_complained:
            self._has_complained = True
            log.error("the extractor's provider refuses us", problem=str(error))


def _refuse_unusable(model: str, base_url: str, api_key: str, timeout_s: float) -> None:
    """Stop the process over settings with which no call could succeed."""
    if len(model) > MAX_MODEL_CHARACTERS:
        raise SystemExit(f"IBEX_EXTRACTOR_MODEL has at most {MAX_MODEL_CHARACTERS} characters.")
    if not base_url.startswith(("http://", "https://")):
        raise SystemExit("IBEX_EXTRACTOR_BASE_URL must begin with http:// or https://.")
    if not timeout_s > 0:
        raise SystemExit("IBEX_EXTRACTOR_TIMEOUT_S must be more than 0.")
    if base_url == OPENAI and not api_key:
        raise SystemExit("IBEX_EXTRACTOR_API_KEY, or OPENAI_API_KEY, must be set.")


@dataclass
class _Asked:
    """A call under way: what will be noted when it is over."""

    model: str
    turns: int
    answer: "Answer | None" = None
    started: float = field(default_factory=time.monotonic)

    def note(self, outcome: Outcome, candidates: int = 0) -> None:
        call = Call(
            model=self.model,
            turns=self.turns,
            candidates=candidates,
            tokens_in=self.answer.tokens_in if self.answer else 0,
            tokens_out=self.answer.tokens_out if self.answer else 0,
            latency_ms=(time.monotonic() - self.started) * 1000,
            outcome=outcome,
        )
        note_call(call)


def _understand(answer: "Answer", turns: Sequence[TurnText]) -> list[CandidateMemory]:
    if answer.is_refusal or answer.finish_reason == "content_filter":
        raise ExtractionInvalid(Reason.REFUSAL, "the model refused to answer")
    if answer.finish_reason == "length":
        raise ExtractionInvalid(Reason.TRUNCATED, "the answer was cut off; it must be shorter")
    if not answer.text.strip():
        raise ExtractionInvalid(Reason.EMPTY, "there was no answer")
    return read_answer(answer.text, turns)


def _outcome(error: Exception) -> Outcome:
    if isinstance(error, ExtractorMisconfigured):
        return Outcome.MISCONFIGURED
    if isinstance(error, ExtractionInvalid):
        refused = error.reason == Reason.REQUEST_REFUSED
        return Outcome.MISCONFIGURED if refused else Outcome.INVALID
    return Outcome.UNAVAILABLE
