"""What the OpenAPI document shows of the memory APIs."""

from drf_spectacular.utils import OpenApiExample

NEW_MEMORY = OpenApiExample(
    "A preference of one end user",
    {
        "content": "The user prefers answers in German.",
        "category": "preference",
        "subject": "user-1042",
        "subject_key": "assistant.language",
    },
    request_only=True,
)
QUESTION = OpenApiExample(
    "What is known about a deployment",
    {"query": "When do we deploy?", "limit": 5, "mode": "hybrid"},
    request_only=True,
)
MEMORY = OpenApiExample(
    "What became of it",
    {
        "id": "01934f6a-5b1c-7c7e-9a51-0e6a1d6f2b11",
        "agent_id": "01934f69-02aa-7d1f-8c3e-5f0e2c9b7a44",
        "subject": "user-1042",
        "content": "The user prefers answers in German.",
        "category": "preference",
        "labels": [{"label": "preference", "confidence": 1.0}],
        "confidence": 0.8,
        "usefulness": 0.5,
        "status": "active",
        "source": "user_provided",
        "visibility": "agent",
        "subject_key": "assistant.language",
        "pinned": False,
        "tags": [],
        "valid_from": "2026-11-22T10:15:00Z",
        "valid_until": None,
        "observed_at": "2026-11-22T10:15:00Z",
        "expires_at": None,
        "created_at": "2026-11-22T10:15:00Z",
        "updated_at": "2026-11-22T10:15:00Z",
        "source_turns": [],
        "outcome": "created",
    },
    response_only=True,
    status_codes=["201"],
)
