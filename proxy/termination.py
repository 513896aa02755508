"""`POST /v1/sessions/{external_id}/terminate`: end a session, so that all of it is learned."""

from urllib.parse import unquote

import orjson

from ibex.ids import uuid7
from orgs.permissions import Permission
from proxy.admission import admit, digest_for_lookup, read_agent_id, read_token
from proxy.conversations import MAX_EXTERNAL_ID, read_subject
from proxy.errors import ProxyError, invalid
from proxy.http import Request
from proxy.services import Services
from proxy.store import AUDIT_TERMINATE, ENTER, FIND_SESSION, TERMINATE, Route

PREFIX, SUFFIX = "/v1/sessions/", "/terminate"


def external_id_of(path: str) -> str | None:
    """Return the session a path names, or None for another path."""
    if not (path.startswith(PREFIX) and path.endswith(SUFFIX)):
        return None
    name = path[len(PREFIX) : -len(SUFFIX)]
    return None if not name or "/" in name else unquote(name)


async def terminate(request: Request, services: Services, external_id: str) -> None:
    """End the session; ending it again changes nothing. 404 for one that does not exist."""
    digest = digest_for_lookup(read_token(request), services.config.token_key)
    agent_id = read_agent_id(request)
    route = await services.find_route(digest, agent_id)
    admitted = admit(request, route, agent_id, Permission.SESSION_TERMINATE)
    await request.body()
    if len(external_id) > MAX_EXTERNAL_ID or not external_id.isprintable():
        raise invalid("A session id has at most 64 printable characters.")
    await _complete(request, services, admitted, external_id)
    body = orjson.dumps({"session_id": external_id, "status": "completed"})
    await request.answer(200, body, {"content-type": "application/json"})


async def _complete(request: Request, services: Services, route: Route, external_id: str) -> None:
    values = {
        "agent": route.agent_id,
        "external_id": external_id,
        "subject": read_subject(request, {}),
    }
    async with services.database("Sessions") as connection, connection.transaction():
        await connection.execute(ENTER, [str(route.org_id)])
        ended = await (await connection.execute(TERMINATE, values)).fetchone()
        if ended:
            await connection.execute(AUDIT_TERMINATE, _audit(request, route, ended[0]))
            return
        if not await (await connection.execute(FIND_SESSION, values)).fetchone():
            raise ProxyError(404, "SESSION_NOT_FOUND", "The agent has no session of this name.")


def _audit(request: Request, route: Route, session_id: object) -> dict[str, object]:
    return {
        "id": uuid7(),
        "org": route.org_id,
        "token": route.token_id,
        "session": session_id,
        "ip": request.client_ip or None,
        "request_id": request.request_id,
    }
