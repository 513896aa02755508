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
