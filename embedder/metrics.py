"""What the embedder counts. Never by organization."""

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter(
    "ibex_embedding_requests", "Requests for embeddings, by HTTP status.", ["status"]
)
REQUEST_SECONDS = Histogram(
    "ibex_embedding_request_seconds",
    "Time from a request's headers to its answer.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
TEXTS = Counter("ibex_embedding_texts", "Texts embedded, cached ones included.", ["kind"])
BATCH_SIZE = Histogram(
    "ibex_embedding_batch_size",
    "Windows of text in one run of the model.",
    ["kind"],
    buckets=(1, 2, 4, 8, 16),
)
INFERENCE_SECONDS = Histogram(
    "ibex_embedding_inference_seconds",
    "Time of one run of the model.",
    ["kind"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
)
WAITING = Gauge(
    "ibex_embedding_waiting_windows", "Windows of text that wait for the model.", ["kind"]
)
CACHE_HITS = Counter("ibex_embedding_cache_hits", "Texts whose vector was in the cache.")
CACHE_MISSES = Counter("ibex_embedding_cache_misses", "Texts whose vector had to be computed.")
CACHE_ERRORS = Counter("ibex_embedding_cache_errors", "Cache calls that failed or took too long.")
