"""What the proxy counts. No metric has an org label."""

from prometheus_client import Counter, Histogram

FAST = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)

REQUESTS = Counter("ibex_proxy_requests_total", "Answered requests.", ["route", "status"])
OVERHEAD_SECONDS = Histogram(
    "ibex_proxy_overhead_seconds", "Time of a call that is not the provider's.", buckets=FAST
)
CONTEXT_SECONDS = Histogram(
    "ibex_proxy_context_seconds", "Time spent waiting for context assembly.", buckets=FAST
)
CONTEXT_LEVELS = Counter("ibex_proxy_context_total", "Context assemblies by level.", ["level"])
CONVERSATIONS = Counter(
    "ibex_proxy_conversations_total",
    "How the session of a request without a session id was found.",
    ["how"],
)
COMMIT_SECONDS = Histogram(
    "ibex_recorder_commit_seconds", "Time to commit a group of turns.", buckets=FAST
)
GROUP_SIZE = Histogram(
    "ibex_recorder_group_turns", "Turns in one commit.", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256)
)
TURNS_SPOOLED = Counter("ibex_recorder_spooled_total", "Turns that went to the spool.")
TURNS_REJECTED = Counter("ibex_recorder_rejected_total", "Turns that Postgres would not take.")
PROVIDER_FAILURES = Counter(
    "ibex_provider_failures_total", "Failed calls to a provider.", ["provider", "kind"]
)
CONTROL_CHANGES = Counter(
    "ibex_proxy_control_changes_total", "Changes heard on the control channel.", ["kind"]
)
CONTROL_GAPS = Counter(
    "ibex_proxy_control_gaps_total", "Times a revision was missing on the control channel."
)
ROUTES = Counter(
    "ibex_proxy_routes_total", "Callers looked up, by where they were found.", ["found"]
)
