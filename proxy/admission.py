"""May this caller talk as this agent? Token, organization, agent, permissions, in that order."""

from datetime import UTC, datetime
from uuid import UUID

from orgs.addresses import is_allowed
from orgs.credentials import TOKEN_SHAPE, token_digest
from orgs.permissions import Permission
from proxy.errors import NEVER_RETRY, ProxyError, invalid_token
from proxy.http import Request
from proxy.store import Route

NIL = UUID(int=0)


def read_token(request: Request) -> str:
    """Return the bearer token's text. Raises MISSING_TOKEN."""
    scheme, _, credential = request.headers.get("authorization", "").partition(" ")
    token = credential.strip() if scheme.lower() == "bearer" else ""
    token = token or request.headers.get("x-api-key", "").strip()
    if not token:
        message = "Send the agent's token as `Authorization: Bearer …`."
        raise ProxyError(401, "MISSING_TOKEN", message, headers=NEVER_RETRY)
    return token


def digest_for_lookup(token: str, key: str) -> bytes:
    """Return the stored form. A malformed token is looked up too, and takes as long."""
    return token_digest(token if TOKEN_SHAPE.fullmatch(token) else "", key)


def read_agent_id(request: Request) -> UUID | None:
    """Return the agent the caller names; a malformed id names nobody's agent."""
    given = request.headers.get("x-ibex-agent-id", "").strip()
    if not given:
        return None
    try:
        return UUID(given)
    except ValueError:
        return NIL


def admit(request: Request, route: Route | None, agent: UUID | None, needed: Permission) -> Route:
    """Return the route when the caller may use it. Raises `ProxyError` 400, 401 or 403."""
    if route is None or route.revoked_at or _is_past(route.expires_at):
        raise invalid_token()
    if route.allowed_ips and not is_allowed(request.client_ip, route.allowed_ips):
        raise _forbidden("IP_NOT_ALLOWED", "This token may not be used from your address.")
    if route.org_status != "active":
        raise _forbidden("ORG_SUSPENDED", "The organization is suspended.")
    if agent is None and route.token_agent_id is None:
        raise ProxyError(400, "MISSING_AGENT_ID", "Name the agent in `X-IBEX-Agent-ID`.")
    if route.agent_id is None or (route.token_agent_id not in {None, route.agent_id}):
        raise _forbidden("AGENT_NOT_AUTHORIZED", "The token may not act for this agent.")
    if needed & ~Permission(route.permissions):
        raise _forbidden("INSUFFICIENT_PERMISSIONS", "The token lacks a permission for this call.")
    if route.agent_status != "active":
        raise _forbidden("AGENT_SUSPENDED", f"The agent is {route.agent_status}.")
    return route


def _forbidden(code: str, message: str) -> ProxyError:
    return ProxyError(403, code, message, headers=NEVER_RETRY)


def _is_past(moment: datetime | None) -> bool:
    return moment is not None and moment <= datetime.now(UTC)
