"""From what was said to what may be remembered (ADR 0036)."""

from functools import cache

from ibex.env import env
from memories.extraction.base import (
    CandidateMemory,
    ExtractionInvalid,
    ExtractionPaused,
    ExtractionUnavailable,
    Extractor,
    TurnText,
)
from memories.extraction.llm import LlmExtractor
from memories.extraction.rules import RulesExtractor

__all__ = [
    "CandidateMemory",
    "ExtractionInvalid",
    "ExtractionPaused",
    "ExtractionUnavailable",
    "Extractor",
    "TurnText",
    "get_extractor",
]

EXTRACTORS: dict[str, type[Extractor]] = {"rules": RulesExtractor, "llm": LlmExtractor}


@cache
def get_extractor() -> Extractor:
    """Return the extractor that `IBEX_EXTRACTOR` names; an unknown one stops the process."""
    name: str = env.str("IBEX_EXTRACTOR", "rules")
    if name not in EXTRACTORS:
        raise SystemExit(f"IBEX_EXTRACTOR must be one of {', '.join(EXTRACTORS)}, not {name!r}.")
    return EXTRACTORS[name]()
