"""What the write pipeline counts. No label names an organization, a person or a text."""

from prometheus_client import Counter

WRITTEN = Counter(
    "ibex_memories_written_total", "Candidates that went through the write pipeline.", ["outcome"]
)
REDACTED = Counter(
    "ibex_redactions_total", "Texts in which a kind of personal data was replaced.", ["kind"]
)
PASSAGES = Counter("ibex_passages_total", "Passages made of turns.", ["status"])
LOOP_GUARD = Counter(
    "ibex_loop_guard_stops_total", "Texts that held something IBEX had injected.", ["where"]
)
CANDIDATES = Counter("ibex_extracted_candidates_total", "What extractors proposed.", ["extractor"])
REFUSED = Counter(
    "ibex_refused_candidates_total", "Extracted candidates that broke a rule.", ["reason"]
)
