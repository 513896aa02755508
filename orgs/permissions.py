"""What a credential may do: 64 bits that never move (ADR 0009)."""

from enum import IntFlag


class Permission(IntFlag):
    """One bit a permission; positions are part of the contract."""

    MEMORY_READ = 1 << 0
    MEMORY_WRITE = 1 << 1
    MEMORY_DELETE = 1 << 2
    MEMORY_EXPORT = 1 << 3
    MEMORY_REVIEW = 1 << 4
    DIRECTIVE_READ = 1 << 8
    DIRECTIVE_WRITE = 1 << 9
    DIRECTIVE_PUSH = 1 << 10
    SESSION_CREATE = 1 << 16
    SESSION_READ = 1 << 17
    SESSION_TERMINATE = 1 << 18
    SESSION_EXPORT = 1 << 19
    TRACE_READ = 1 << 24
    ANALYTICS_READ = 1 << 25
    AUDIT_READ = 1 << 26
    USER_MANAGE = 1 << 32
    AGENT_READ = 1 << 33
    AGENT_WRITE = 1 << 34
    ORG_SETTINGS = 1 << 35
    TOKEN_CREATE = 1 << 36
    TOKEN_REVOKE = 1 << 37
    PROVIDER_MANAGE = 1 << 38
    JOB_MANAGE = 1 << 39
    ERASE = 1 << 43


P = Permission
ALL = P(sum(P))
CHAT = P.MEMORY_READ | P.SESSION_CREATE | P.SESSION_READ
VIEWER = (
    P.MEMORY_READ
    | P.DIRECTIVE_READ
    | P.SESSION_READ
    | P.TRACE_READ
    | P.ANALYTICS_READ
    | P.AGENT_READ
)
MEMBER = (
    VIEWER
    | P.MEMORY_WRITE
    | P.MEMORY_REVIEW
    | P.DIRECTIVE_WRITE
    | P.SESSION_CREATE
    | P.SESSION_TERMINATE
)
ADMIN = ALL & ~P.ERASE
ROLE_PERMISSIONS = {"viewer": VIEWER, "member": MEMBER, "admin": ADMIN, "owner": ALL}

GROUPS: tuple[tuple[str, Permission], ...] = (
    ("Memories", P(sum(p for p in P if p.value < 1 << 8))),
    ("Directives", P(sum(p for p in P if 1 << 8 <= p.value < 1 << 16))),
    ("Sessions", P(sum(p for p in P if 1 << 16 <= p.value < 1 << 24))),
    ("Insight", P(sum(p for p in P if 1 << 24 <= p.value < 1 << 32))),
    ("Administration", P(sum(p for p in P if p.value >= 1 << 32))),
)
"""The bits by what they are about, as forms show them."""
WORDS = {
    P.MEMORY_READ: "Read and search memories",
    P.MEMORY_WRITE: "Write and correct memories",
    P.MEMORY_DELETE: "Delete memories",
    P.MEMORY_EXPORT: "Export memories",
    P.MEMORY_REVIEW: "Decide about waiting memories",
    P.DIRECTIVE_READ: "Read directives",
    P.DIRECTIVE_WRITE: "Draft directives",
    P.DIRECTIVE_PUSH: "Push directives",
    P.SESSION_CREATE: "Hold conversations",
    P.SESSION_READ: "Read conversations",
    P.SESSION_TERMINATE: "End conversations",
    P.SESSION_EXPORT: "Export conversations",
    P.TRACE_READ: "See why an answer was given",
    P.ANALYTICS_READ: "Read analytics",
    P.AUDIT_READ: "Read the audit",
    P.USER_MANAGE: "Manage members",
    P.AGENT_READ: "Read agents",
    P.AGENT_WRITE: "Change agents",
    P.ORG_SETTINGS: "Change the organization",
    P.TOKEN_CREATE: "Create tokens",
    P.TOKEN_REVOKE: "Revoke tokens",
    P.PROVIDER_MANAGE: "Manage providers",
    P.JOB_MANAGE: "Manage background jobs",
    P.ERASE: "Erase for good",
}
"""What each bit lets somebody do."""


def api_name(permission: Permission) -> str:
    """Name one bit as the API does: `MemoryRead`."""
    return "".join(part.capitalize() for part in str(permission.name).split("_"))


BY_API_NAME = {api_name(permission): permission for permission in P}


def api_names(permissions: int) -> list[str]:
    """Name every bit that is set, lowest first."""
    return [name for name, bit in BY_API_NAME.items() if bit & permissions]


def in_words(permissions: int) -> list[str]:
    """Say what every bit that is set lets somebody do, lowest first."""
    return [words for bit, words in WORDS.items() if bit & permissions]
