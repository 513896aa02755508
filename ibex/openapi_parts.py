"""What the OpenAPI document says once and refers to: its title, errors and shared headers."""

from typing import Any

X_REQUEST_ID = "X-Request-ID"
MEMORY_API = ("AgentId", "SubjectId")

PAGES = {
    "limit": "How many items a page holds at most.",
    "cursor": "The `next_cursor` of the page before; without one, the first page.",
}
"""What the parameters of every list mean."""

DESCRIPTION = """\
IBEX gives AI agents a memory that their operators can see, steer and erase.

**Management API** (`/api/v1`, port 8000): for operators, with a token or the console's session.
**Memory API** (`/v1/memories`, port 8005 and through the proxy on 8080): for agents, with a token.

Lists answer `{"items": [], "next_cursor": null}`; pass `next_cursor` as `cursor` for the next page.
Every error has one envelope, and clients decide by its `code`. A row of another organization is
missing (404), not forbidden. The proxy's own routes speak the providers' formats and are in
`docs/REFERENCE.md`."""

ERROR_EXAMPLE = {
    "error": {
        "message": "limit: Ensure this value is less than or equal to 100.",
        "type": "invalid_request_error",
        "param": "limit",
        "code": "VALIDATION_ERROR",
        "request_id": "01934f6a-5b1c-7c7e-9a51-0e6a1d6f2b11",
        "timestamp": "2026-11-22T10:15:00.000000+00:00",
        "field_errors": {"limit": ["Ensure this value is less than or equal to 100."]},
    }
}

ERROR: dict[str, Any] = {
    "type": "object",
    "description": "Every error, in an envelope that OpenAI's clients parse too.",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code", "request_id", "timestamp"],
            "properties": {
                "message": {"type": "string", "description": "A sentence for a person."},
                "type": {"type": "string", "description": "The kind of error, as OpenAI's."},
                "param": {
                    "type": ["string", "null"],
                    "description": "The one field that is at fault.",
                },
                "code": {"type": "string", "description": "What clients decide by."},
                "request_id": {"type": "string", "description": "Finds the request in the logs."},
                "timestamp": {"type": "string", "format": "date-time"},
                "field_errors": {
                    "type": "object",
                    "description": "The sentences about each field at fault.",
                    "additionalProperties": {"type": "array", "items": {"type": "string"}},
                },
            },
        }
    },
    "example": ERROR_EXAMPLE,
}

COMPONENTS: dict[str, Any] = {
    "schemas": {"Error": ERROR},
    "headers": {
        X_REQUEST_ID: {
            "description": "The request's id: the caller's own UUID, or one that was made.",
            "schema": {"type": "string", "format": "uuid"},
        }
    },
    "parameters": {
        "AgentId": {
            "name": "X-IBEX-Agent-ID",
            "in": "header",
            "description": "The agent that asks; not needed with a token of one agent.",
            "schema": {"type": "string", "format": "uuid"},
        },
        "SubjectId": {
            "name": "X-IBEX-Subject-ID",
            "in": "header",
            "description": "The end user it is about. Without one, only what is for everyone.",
            "schema": {"type": "string", "maxLength": 128},
        },
    },
}

SETTINGS: dict[str, Any] = {
    "TITLE": "IBEX",
    "DESCRIPTION": DESCRIPTION,
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVERS": [{"url": "http://localhost:8000", "description": "the management API"}],
    "TAGS": [
        {"name": "Agents", "description": "Who remembers, and how."},
        {"name": "Memories", "description": "What the organization's agents have learned."},
        {"name": "Directives", "description": "What operators tell an agent, version by version."},
        {"name": "Sessions", "description": "Conversations, turn by turn, and their archives."},
        {"name": "Jobs", "description": "Work that goes on in the background."},
        {"name": "Audit", "description": "Who did what, and why."},
        {"name": "Members", "description": "Who works in the organization, and as what."},
        {"name": "Invitations", "description": "Who may come."},
        {"name": "Organization", "description": "The caller's own organization."},
        {"name": "Tokens", "description": "What applications show to be let in."},
        {"name": "Memory API", "description": "An agent's own door to what it remembers."},
    ],
    "APPEND_COMPONENTS": COMPONENTS,
    "DISABLE_ERRORS_AND_WARNINGS": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "AgentStatus": "agents.models.Agent.Status",
        "MemoryPosition": "agents.models.Agent.MemoryPosition",
        "MemoryScope": "agents.models.Agent.MemoryScope",
        "ActorType": "orgs.models.AuditEvent.Actor",
        "JobState": "jobs.models.Job.State",
        "InjectionMode": "directives.models.Directive.InjectionMode",
        "Category": "memories.models.Category",
        "MemorySource": "memories.models.Memory.Source",
        "MemoryStatus": "memories.models.Memory.Status",
        "MemoryVisibility": "memories.models.Memory.Visibility",
        "SharedVisibility": "memories.serializers.SHARED",
        "PermissionName": "orgs.api.PERMISSION_NAMES",
        "TokenState": "orgs.models.Token.State",
        "Role": "orgs.models.Membership.Role",
        "MemberState": "orgs.member_api.STATES",
        "InvitationState": "orgs.member_api.INVITATION_STATES",
        "OrganizationStatus": "orgs.models.Organization.Status",
        "SessionStatus": "sessions.models.Session.Status",
    },
}
