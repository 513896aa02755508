"""What asking a model costs: each call is noted, without text, for whoever pays for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from analytics.models import ExtractionRecord
from memories import metrics

Outcome = ExtractionRecord.Outcome


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of a model, and how it ended."""

    model: str
    turns: int
    candidates: int
    tokens_in: int
    tokens_out: int
    latency_ms: float
    outcome: Outcome


_noted: ContextVar[list[Call] | None] = ContextVar("noted_calls", default=None)


@contextmanager
def noting_calls() -> Iterator[list[Call]]:
    """Collect the calls that an extractor makes inside this block, failed ones too."""
    calls: list[Call] = []
    token = _noted.set(calls)
    try:
        yield calls
    finally:
        _noted.reset(token)


def note_call(call: Call) -> None:
    """Count a call, and hand it to whoever collects them."""
    metrics.EXTRACTION_CALLS.labels(call.outcome).inc()
    metrics.EXTRACTION_TOKENS.labels("in").inc(call.tokens_in)
    metrics.EXTRACTION_TOKENS.labels("out").inc(call.tokens_out)
    metrics.EXTRACTION_SECONDS.observe(call.latency_ms / 1000)
    if (calls := _noted.get()) is not None:
        calls.append(call)
