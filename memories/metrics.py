"""What the write pipeline counts. No label names an organization, a person or a text."""

from prometheus_client import Counter, Gauge, Histogram

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
EXTRACTION_CALLS = Counter(
    "ibex_extraction_calls_total", "Calls of the extractor's model by how they ended.", ["outcome"]
)
EXTRACTION_TOKENS = Counter(
    "ibex_extraction_tokens_total", "Tokens of the extractor's model.", ["direction"]
)
EXTRACTION_SECONDS = Histogram(
    "ibex_extraction_call_seconds",
    "How long the extractor's model took to answer.",
    buckets=(0.25, 0.5, 1, 2, 5, 10, 20, 30, 60),
)
EXTRACTION_PAUSE = Gauge(
    "ibex_extraction_pause_seconds",
    "How long the extractor's model is left alone after its last failure; 0 while it answers.",
    multiprocess_mode="mostrecent",
)
EXTRACTION_PAUSED = Counter(
    "ibex_extraction_paused_total", "Times that turns were put off while the model is left alone."
)
DEAD_LETTERS = Counter(
    "ibex_dead_letters_total", "Turns set aside, tried again, learned after all.", ["event"]
)
