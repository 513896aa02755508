"""Why a caller is turned away: the contract's 400, 401 and 403 codes about who is asking.

The words are the proxy's own, so a client sees one product.
"""

from http import HTTPStatus

from ibex.errors import DomainError
from orgs.permissions import Permission


class MissingToken(DomainError):
    """The request carries no credential at all."""

    code = "MISSING_TOKEN"
    status = HTTPStatus.UNAUTHORIZED

    def __init__(self) -> None:
        super().__init__("Send the agent's token as `Authorization: Bearer …`.")


class InvalidToken(DomainError):
    """Malformed, unknown, expired and revoked look the same (ADR 0016)."""

    code = "INVALID_TOKEN"
    status = HTTPStatus.UNAUTHORIZED

    def __init__(self) -> None:
        super().__init__("The token is not valid.")


class OrgSuspended(DomainError):
    """The organization's agents are not served."""

    code = "ORG_SUSPENDED"
    status = HTTPStatus.FORBIDDEN

    def __init__(self) -> None:
        super().__init__("The organization is suspended.")


class IpNotAllowed(DomainError):
    """The token names the addresses it may be used from, and this is none of them."""

    code = "IP_NOT_ALLOWED"
    status = HTTPStatus.FORBIDDEN

    def __init__(self) -> None:
        super().__init__("This token may not be used from your address.")


class InsufficientPermissions(DomainError):
    """The credential is good, but not for this."""

    code = "INSUFFICIENT_PERMISSIONS"
    status = HTTPStatus.FORBIDDEN

    def __init__(self, missing: Permission) -> None:
        super().__init__(f"You lack a permission for this call: {missing.name}.")


class NoOrganization(DomainError):
    """The operator is a member of no organization, or no longer of the one they chose."""

    code = "INSUFFICIENT_PERMISSIONS"
    status = HTTPStatus.FORBIDDEN

    def __init__(self) -> None:
        super().__init__("You are not a member of the chosen organization.")


class SecondFactorRequired(DomainError):
    """The organization asks its operators for a second factor, and this one has none."""

    code = "MFA_REQUIRED"
    status = HTTPStatus.FORBIDDEN

    def __init__(self) -> None:
        super().__init__("The organization requires a second factor; set one up in the console.")


class CsrfRefused(DomainError):
    """A browser's session asked for a change without the proof that its page meant it."""

    code = "CSRF_FAILED"
    status = HTTPStatus.FORBIDDEN

    def __init__(self) -> None:
        super().__init__("A signed-in browser must send its CSRF token with a change.")


class MissingAgentId(DomainError):
    """The token serves every agent of its org, so the request has to name one."""

    code = "MISSING_AGENT_ID"
    status = HTTPStatus.BAD_REQUEST

    def __init__(self) -> None:
        super().__init__("Name the agent in `X-IBEX-Agent-ID`.")


class AgentNotAuthorized(DomainError):
    """A foreign agent and one that does not exist look the same (ADR 0016)."""

    code = "AGENT_NOT_AUTHORIZED"
    status = HTTPStatus.FORBIDDEN

    def __init__(self) -> None:
        super().__init__("The token may not act for this agent.")


class AgentSuspended(DomainError):
    """A paused or archived agent is not served."""

    code = "AGENT_SUSPENDED"
    status = HTTPStatus.FORBIDDEN

    def __init__(self, status: str) -> None:
        super().__init__(f"The agent is {status}.")
