"""What the context service counts. No metric has an org label."""

from prometheus_client import Counter, Histogram

ASSEMBLIES = Counter("ibex_context_assemblies_total", "Assemblies by level.", ["level"])
SECONDS = Histogram(
    "ibex_context_seconds",
    "Time of one assembly.",
    buckets=(0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.04, 0.1, 1),
)
CANDIDATES = Histogram(
    "ibex_context_candidates",
    "Memories and passages scored for one assembly.",
    buckets=(0, 10, 25, 50, 100, 200, 400, 800),
)
ITEMS = Histogram("ibex_context_items", "Items in a block.", buckets=(0, 1, 2, 5, 10, 20, 50))
EMBEDDINGS_MISSED = Counter(
    "ibex_context_embeddings_missed_total", "Queries whose vector did not come in time."
)
