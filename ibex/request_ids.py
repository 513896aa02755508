"""Request ids: a caller's uuid of version 4 or 7 is kept, anything else is replaced (ADR 0017)."""

from uuid import UUID

from ibex.ids import uuid7

HEADER = "X-Request-ID"
KEPT_VERSIONS = {4, 7}


def accept_request_id(given: str | None) -> str:
    """Return the caller's id in canonical form, or a fresh uuid7."""
    try:
        identity = UUID(given or "")
    except ValueError:
        return str(uuid7())
    return str(identity) if identity.version in KEPT_VERSIONS else str(uuid7())
